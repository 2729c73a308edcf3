// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Signs notices and returns with Node's own crypto by the SDK's rules, makes
// sure that the SDK accepts them, and sends them to a running caddy-alipay.

import { createHash, createSign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { check, end, sdk, world } from './world.mjs';

const merchant = sdk(world.appPrivateKey, world.alipayPublicKey);
const alipayKey = readFileSync(world.alipayPrivateKey, 'utf8');

/** serial is a certificate's number in Alipay's sense (document 02ekft). */
function serial(file) {
  const certificate = new X509Certificate(readFileSync(file));
  const issuer = certificate.issuer.split('\n').reverse().join(',');
  return createHash('md5').update(issuer + BigInt(`0x${certificate.serialNumber}`).toString()).digest('hex');
}

function sign(params) {
  const signed = Object.keys(params).sort().map(name => `${name}=${params[name]}`).join('&');
  return { ...params, sign_type: 'RSA2', sign: createSign('RSA-SHA256').update(signed, 'utf8').sign(alipayKey, 'base64') };
}

function notice(order, change = {}) {
  const params = {
    gmt_create: '2026-03-14 10:20:01', charset: 'utf-8', gmt_payment: '2026-03-14 10:20:09', notify_time: '2026-03-14 10:20:10',
    subject: order.subject, buyer_id: '2088722003899169', invoice_amount: order.total_amount, version: '1.0',
    notify_id: `N${order.out_trade_no}`, notify_type: 'trade_status_sync', out_trade_no: order.out_trade_no,
    fund_bill_list: `[{"amount":"${order.total_amount}","fundChannel":"ALIPAYACCOUNT"}]`,
    total_amount: order.total_amount, trade_status: 'TRADE_SUCCESS', trade_no: `T${order.out_trade_no}`, point_amount: '0.00',
    auth_app_id: world.appId, receipt_amount: order.total_amount, app_id: world.appId, buyer_pay_amount: order.total_amount,
    seller_id: world.sellerId,
  };
  if (order.body) params.body = order.body;
  if (world.certMode) params.alipay_cert_sn = serial(world.alipayCert);
  return sign({ ...params, ...change });
}

async function post(params) {
  const response = await fetch(`${world.site}/pay/notify`, { method: 'POST', body: new URLSearchParams(params) });
  return `${response.status} ${await response.text()}`;
}

for (const order of world.orders) {
  const good = notice(order);
  check('the SDK accepts the notice', merchant.checkNotifySignV2({ ...good }) === true);
  const bad = { ...good, total_amount: '0.01' };
  check('the SDK refuses a changed notice', merchant.checkNotifySignV2({ ...bad }) === false);
  let answer = await post(bad);
  check('so does caddy-alipay', answer === '400 failure', answer);
  answer = await post(good);
  check(`the notice of ${order.out_trade_no} is accepted`, answer === '200 success', answer);
  answer = await post(good);
  check('so is its repetition', answer === '200 success', answer);

  const back = sign({
    method: 'alipay.trade.page.pay.return', app_id: world.appId, auth_app_id: world.appId, charset: 'utf-8', version: '1.0',
    out_trade_no: order.out_trade_no, trade_no: `T${order.out_trade_no}`, total_amount: order.total_amount,
    seller_id: world.sellerId, timestamp: '2026-03-14 10:20:11',
  });
  check('the SDK accepts the return', merchant.checkNotifySignV2({ ...back }) === true);
  const page = await fetch(`${world.site}/pay/return?${new URLSearchParams(back)}`);
  check('the return shows the shop what is proved', page.status === 200 && (await page.text()) === 'TRADE_SUCCESS', page.status);
}
end();
