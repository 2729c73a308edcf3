"""Checks X-Alipay-Trade-Assertion with python3-cryptography. In a shop:

    claims = alipay_claims(request.headers.get("X-Alipay-Trade-Assertion", ""), request.body, jwks, "https://shop.example.com")

On the return page there is no body: give None. jwks is the text of /.well-known/jwks.json; keep it for some minutes.
"""
import base64, hashlib, json, sys, time, urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def alipay_claims(assertion, body, jwks, audience):
    decode = lambda s: base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))
    header, payload, signature = assertion.split(".")
    head = json.loads(decode(header))
    key = {k["kid"]: k for k in json.loads(jwks)["keys"]}.get(head.get("kid"), {})
    if head.get("alg") != "EdDSA" or key.get("crv") != "Ed25519":
        raise ValueError("unknown key or algorithm")
    Ed25519PublicKey.from_public_bytes(decode(key["x"])).verify(decode(signature), f"{header}.{payload}".encode())
    claims = json.loads(decode(payload))
    if claims["iss"] != "caddy-alipay" or claims["aud"] != audience:
        raise ValueError("for somebody else")
    if claims["exp"] <= time.time():
        raise ValueError("expired")
    if body is not None and claims.get("body_sha256") != hashlib.sha256(body).hexdigest():
        raise ValueError("another body")
    return claims


# python3 verify.py JWKS AUDIENCE ASSERTION [BODY]      JWKS is a URL or a file, BODY a file
if __name__ == "__main__":
    jwks, audience, assertion = sys.argv[1:4]
    text = urllib.request.urlopen(jwks).read() if "://" in jwks else open(jwks).read()
    try:
        print(json.dumps(alipay_claims(assertion, open(sys.argv[4], "rb").read() if len(sys.argv) > 4 else None, text, audience)))
    except Exception as e:  # a signature that does not fit raises InvalidSignature
        sys.exit(repr(e))
