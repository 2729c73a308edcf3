import java.net.URI;
import java.nio.file.*;
import java.security.*;
import java.security.spec.X509EncodedKeySpec;
import java.util.*;
import java.util.regex.*;

/**
 * Checks X-Alipay-Trade-Assertion with Java 17 alone. In a shop:
 *
 *     Map<String, String> claims = Verify.claims(request.getHeader("X-Alipay-Trade-Assertion"), body, jwks, "https://shop.example.com");
 *
 * On the return page there is no body: give null. jwks is the text of /.well-known/jwks.json; keep it for some minutes.
 * Java has no JSON of its own; all that has to be read here is flat, and your shop's JSON library does it as well.
 */
public class Verify {
    static Map<String, String> claims(String assertion, byte[] body, String jwks, String audience) throws Exception {
        var part = assertion.split("\\.", -1);
        var head = flat(text(part[0]));
        var key = Pattern.compile("\\{[^{}]*}").matcher(jwks.substring(jwks.indexOf('['))).results().map(m -> flat(m.group()))
            .filter(k -> k.get("kid").equals(head.get("kid"))).findFirst().orElse(Map.of());
        if (part.length != 3 || !"EdDSA".equals(head.get("alg")) || !"Ed25519".equals(key.get("crv"))) throw new SecurityException("unknown key or algorithm");
        var der = HexFormat.of().parseHex("302a300506032b6570032100" + HexFormat.of().formatHex(decode(key.get("x"))));
        var signature = Signature.getInstance("Ed25519");
        signature.initVerify(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der)));
        signature.update((part[0] + "." + part[1]).getBytes());
        if (!signature.verify(decode(part[2]))) throw new SecurityException("bad signature");
        var claims = flat(text(part[1]));
        if (!"caddy-alipay".equals(claims.get("iss")) || !audience.equals(claims.get("aud"))) throw new SecurityException("for somebody else");
        if (Long.parseLong(claims.get("exp")) <= System.currentTimeMillis() / 1000) throw new SecurityException("expired");
        var digest = body == null ? "" : HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
        if (body != null && !digest.equals(claims.get("body_sha256"))) throw new SecurityException("another body");
        return claims;
    }

    static byte[] decode(String s) { return Base64.getUrlDecoder().decode(s); }

    static String text(String s) { return new String(decode(s)); }

    /** The members of a flat JSON object whose values are strings or whole numbers; escapes stay as they are. */
    static Map<String, String> flat(String json) {
        var members = new LinkedHashMap<String, String>();
        Pattern.compile("\"(\\w+)\"\\s*:\\s*(?:\"((?:[^\"\\\\]|\\\\.)*)\"|(\\d+))").matcher(json).results()
            .forEach(m -> members.put(m.group(1), m.group(2) != null ? m.group(2) : m.group(3)));
        return members;
    }

    /** java Verify.java JWKS AUDIENCE ASSERTION [BODY], where JWKS is a URL or a file, BODY a file */
    public static void main(String[] args) throws Exception {
        try (var in = args[0].contains("://") ? URI.create(args[0]).toURL().openStream() : Files.newInputStream(Path.of(args[0]))) {
            var body = args.length > 3 ? Files.readAllBytes(Path.of(args[3])) : null;
            System.out.println(claims(args[2], body, new String(in.readAllBytes()), args[1]));
        } catch (Exception e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }
}
