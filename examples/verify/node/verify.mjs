// Checks X-Alipay-Trade-Assertion with Node alone. In a shop:
//   const claims = alipayClaims(req.headers['x-alipay-trade-assertion'] ?? '', rawBody, jwks, 'https://shop.example.com')
// rawBody is a Buffer of the body as received; on the return page there is none: give null. jwks is the text of
// /.well-known/jwks.json; keep it for some minutes.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export function alipayClaims(assertion, body, jwks, audience) {
  const [header, payload, signature, ...more] = assertion.split('.')
  const parse = (s) => JSON.parse(Buffer.from(s, 'base64url'))
  const { alg, kid } = parse(header)
  const key = JSON.parse(jwks).keys.find((k) => k.kid === kid)
  if (alg !== 'EdDSA' || key?.crv !== 'Ed25519' || more.length) throw new Error('unknown key or algorithm')
  const signed = Buffer.from(`${header}.${payload}`)
  if (!verify(null, signed, createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64url'))) throw new Error('bad signature')
  const claims = parse(payload)
  if (claims.iss !== 'caddy-alipay' || claims.aud !== audience) throw new Error('for somebody else')
  if (claims.exp <= Date.now() / 1000) throw new Error('expired')
  if (body && claims.body_sha256 !== createHash('sha256').update(body).digest('hex')) throw new Error('another body')
  return claims
}

// node verify.mjs JWKS AUDIENCE ASSERTION [BODY]      JWKS is a URL or a file, BODY a file
if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [jwks, audience, assertion, body] = process.argv.slice(2)
  try {
    const text = jwks.includes('://') ? await (await fetch(jwks)).text() : readFileSync(jwks)
    console.log(JSON.stringify(alipayClaims(assertion, body ? readFileSync(body) : null, text, audience)))
  } catch (e) {
    console.error(e.message)
    process.exit(1)
  }
}
