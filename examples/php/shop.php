<?php
// A whole shop for caddy-alipay: php -S 127.0.0.1:8080 examples/php/shop.php
// It holds no key and verifies no signature: the headers are proved, and no
// client can send them.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$db = new SQLite3(getenv('SHOP_DB') ?: '/tmp/shop.db');
$db->exec('CREATE TABLE IF NOT EXISTS orders (no TEXT PRIMARY KEY, amount TEXT, seq INT DEFAULT 0, status TEXT, trade_no TEXT)');

if (preg_match('~^/alipay/orders/([\w-]+)$~', $path, $m)) {        // 1. what does it cost?
    $q = $db->prepare('SELECT * FROM orders WHERE no = :no');       //    (check here whose order it is)
    $q->bindValue(':no', $m[1]);
    $order = $q->execute()->fetchArray(SQLITE3_ASSOC);
    if (!$order) { http_response_code(404); exit('no such order'); }
    header('Content-Type: application/json');
    exit(json_encode(['out_trade_no' => $order['no'], 'total_amount' => $order['amount'], 'subject' => 'Tea 茶']));
}
if ($path === '/pay/notify' || $path === '/pay/return') {           // 2. what was proved?
    $q = $db->prepare('UPDATE orders SET status = :status, trade_no = :trade, seq = :seq WHERE no = :no AND seq < :seq');
    foreach (['no' => 'OUT_TRADE_NO', 'trade' => 'NO', 'status' => 'STATUS', 'seq' => 'SEQUENCE'] as $name => $header) {
        $q->bindValue(":$name", $_SERVER["HTTP_X_ALIPAY_TRADE_$header"] ?? null);
    }
    $q->execute();
    exit($path === '/pay/notify' ? 'success' : 'Thank you! 谢谢！');
}
$no = 'P' . bin2hex(random_bytes(6));                              // 3. the pay button
$db->exec("INSERT INTO orders (no, amount) VALUES ('$no', '88.88')");
echo "<a href='/pay?out_trade_no=$no'>Pay ¥88.88</a>";
