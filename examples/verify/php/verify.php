<?php
// Checks X-Alipay-Trade-Assertion with PHP alone (the sodium extension comes with it). In a shop:
//   $claims = alipay_claims($_SERVER['HTTP_X_ALIPAY_TRADE_ASSERTION'] ?? '', file_get_contents('php://input'), $jwks, 'https://shop.example.com');
// On the return page there is no body: give null. $jwks is the text of /.well-known/jwks.json; keep it for some minutes.
function alipay_claims(string $assertion, ?string $body, string $jwks, string $audience): array {
    $decode = fn(string $s): string => base64_decode(strtr($s, '-_', '+/'), true);
    [$header, $payload, $signature] = array_pad(explode('.', $assertion, 3), 3, '');
    $head = json_decode($decode($header), true);
    $key = array_column(json_decode($jwks, true)['keys'], null, 'kid')[$head['kid'] ?? ''] ?? [];
    if (($head['alg'] ?? '') !== 'EdDSA' || ($key['crv'] ?? '') !== 'Ed25519') throw new Exception('unknown key or algorithm');
    if (!sodium_crypto_sign_verify_detached($decode($signature), "$header.$payload", $decode($key['x']))) throw new Exception('bad signature');
    $claims = json_decode($decode($payload), true);
    if ($claims['iss'] !== 'caddy-alipay' || $claims['aud'] !== $audience) throw new Exception('for somebody else');
    if ($claims['exp'] <= time()) throw new Exception('expired');
    if ($body !== null && !hash_equals($claims['body_sha256'] ?? '', hash('sha256', $body))) throw new Exception('another body');
    return $claims;
}

// php verify.php JWKS AUDIENCE ASSERTION [BODY]      JWKS is a URL or a file, BODY a file
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    try {
        $claims = alipay_claims($argv[3], isset($argv[4]) ? file_get_contents($argv[4]) : null, file_get_contents($argv[1]), $argv[2]);
        exit(json_encode($claims) . "\n");
    } catch (Throwable $e) {
        fwrite(STDERR, $e->getMessage() . "\n");
        exit(1);
    }
}
