<?php
// Checks X-Alipay-Trade-Assertion of a site with "assertion hs256": nothing to fetch, but both sides hold the secret.
function alipay_claims(string $assertion, ?string $body, string $secret, string $audience): array {
    $decode = fn(string $s): string => base64_decode(strtr($s, '-_', '+/'), true);
    [$header, $payload, $signature] = array_pad(explode('.', $assertion, 3), 3, '');
    if ((json_decode($decode($header), true)['alg'] ?? '') !== 'HS256') throw new Exception('unknown algorithm');
    if (!hash_equals(hash_hmac('sha256', "$header.$payload", $secret, true), $decode($signature))) throw new Exception('bad signature');
    $claims = json_decode($decode($payload), true);
    if ($claims['iss'] !== 'caddy-alipay' || $claims['aud'] !== $audience) throw new Exception('for somebody else');
    if ($claims['exp'] <= time()) throw new Exception('expired');
    if ($body !== null && !hash_equals($claims['body_sha256'] ?? '', hash('sha256', $body))) throw new Exception('another body');
    return $claims;
}

// ALIPAY_ASSERTION_SECRET=… php secret.php AUDIENCE ASSERTION [BODY]      BODY is a file
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    try {
        $claims = alipay_claims($argv[2], isset($argv[3]) ? file_get_contents($argv[3]) : null, getenv('ALIPAY_ASSERTION_SECRET'), $argv[1]);
        exit(json_encode($claims) . "\n");
    } catch (Throwable $e) {
        fwrite(STDERR, $e->getMessage() . "\n");
        exit(1);
    }
}
