<?php
// The way to pay for one order, signed by the shop: /pay asks nobody else what it costs.
function pay_link(array $order, string $secret, string $site): string {
    $b64 = fn(string $s): string => rtrim(strtr(base64_encode($s), '+/', '-_'), '=');
    $claims = $order + ['aud' => $site, 'iat' => time(), 'exp' => time() + 900];   // good for 15 minutes
    $input = $b64('{"alg":"HS256","typ":"JWT"}') . '.' . $b64(json_encode($claims));
    return "$site/pay?order=$input." . $b64(hash_hmac('sha256', $input, $secret, true));
}

$order = ['out_trade_no' => 'P20260314001', 'total_amount' => '88.88', 'subject' => 'Tea 茶'];
echo pay_link($order, getenv('ALIPAY_ORDER_SECRET'), getenv('SHOP_URL') ?: 'https://shop.example.com'), "\n";
