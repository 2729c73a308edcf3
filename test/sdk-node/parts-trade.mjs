// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// The parts of the integration that are about trades.

import { check, heading, note, same } from './transcript.mjs';
import { Browser } from './world.mjs';

/** exec calls a method and has the SDK check the answer's signature. */
export function exec({ sdk }, method, bizContent, more = {}) {
  return sdk.exec(method, { ...more, bizContent }, { validateSign: true });
}

/** receive waits for the next notice and has the SDK check it. */
export async function receive({ sdk, shop }, before, want) {
  const { fields, contentType } = await shop.receive(before);
  note(`POST /notify ${contentType}: ${Object.keys(fields).sort().join(' ')}`);
  check('checkNotifySignV2(notice)', sdk.checkNotifySignV2(fields));
  for (const [name, value] of Object.entries(want)) same(name, fields[name], value);
  const forged = { ...fields, total_amount: '0.01' };
  check('checkNotifySignV2(notice with another amount) is false', !sdk.checkNotifySignV2(forged));
  return fields;
}

/** purchase is a purchase on a computer, from the address to the return. */
export async function purchase(world) {
  const { sdk, shop, config, control, order } = world;
  const outTradeNo = order('page');
  heading('alipay.trade.page.pay by GET: query, cashier, notice, return');
  const address = sdk.pageExecute('alipay.trade.page.pay', 'GET', {
    notifyUrl: `${shop.url}/notify`, returnUrl: `${shop.url}/return`,
    bizContent: {
      outTradeNo, totalAmount: '88.88', subject: '明前龙井 50g', productCode: 'FAST_INSTANT_TRADE_PAY',
      passbackParams: encodeURIComponent('shelf=3&note=礼 盒'),
    },
  });
  check('pageExecute gives an address of the gateway', address.startsWith(`${config.gateway}?`), address);

  let answer = await exec(world, 'alipay.trade.query', { outTradeNo });
  same('query before the login: code', answer.code, '40004');
  same('subCode', answer.subCode, 'ACQ.TRADE_NOT_EXIST');

  const browser = await new Browser().open(address);
  note(`the browser is at ${new URL(browser.address).pathname.replace(/[0-9a-f]{32}/, '…')}`);
  same('the cashier shows the amount', browser.text('subject'), '明前龙井 50g');
  await browser.press('login', { buyer: '1' });
  answer = await exec(world, 'alipay.trade.query', { outTradeNo });
  same('query after the login: tradeStatus', answer.tradeStatus, 'WAIT_BUYER_PAY');

  const before = shop.notices.length;
  await browser.press('pay');
  check('the cashier says paid', browser.has('paid'));
  const notice = await receive(world, before, {
    notify_type: 'trade_status_sync', trade_status: 'TRADE_SUCCESS', out_trade_no: outTradeNo,
    total_amount: '88.88', app_id: config.appId, subject: '明前龙井 50g',
  });
  same('passback_params, decoded', decodeURIComponent(notice.passback_params), 'shelf=3&note=礼 盒');

  const back = new URL(browser.link('return'));
  const fields = Object.fromEntries(back.searchParams);
  same('return leads to', back.origin + back.pathname, `${shop.url}/return`);
  same('return: method', fields.method, 'alipay.trade.page.pay.return');
  check('checkNotifySignV2(return)', sdk.checkNotifySignV2(fields));

  answer = await exec(world, 'alipay.trade.query', { outTradeNo });
  same('query after payment: tradeStatus', answer.tradeStatus, 'TRADE_SUCCESS');
  same('totalAmount', answer.totalAmount, '88.88');
  same('tradeNo', answer.tradeNo, notice.trade_no);
  const state = await control('GET', `trades/${outTradeNo}`);
  same('control API: the notice is', state.notices[0].state, 'delivered');
  return { outTradeNo, tradeNo: answer.tradeNo };
}

/** refunds are two partial ones, one of them asked twice, and one too many. */
export async function refunds(world, { outTradeNo }) {
  heading('alipay.trade.refund and alipay.trade.fastpay.refund.query');
  const { shop } = world;
  let before = shop.notices.length;
  const ask = { outTradeNo, refundAmount: '8.88', outRequestNo: 'R1', refundReason: '少发一件' };
  let answer = await exec(world, 'alipay.trade.refund', ask);
  same('a part: code', answer.code, '10000');
  same('fundChange', answer.fundChange, 'Y');
  same('refundFee', answer.refundFee, '8.88');
  await receive(world, before, { trade_status: 'TRADE_SUCCESS', refund_fee: '8.88', out_biz_no: 'R1' });

  answer = await exec(world, 'alipay.trade.refund', ask);
  same('the same request again: fundChange', answer.fundChange, 'N');
  same('refundFee', answer.refundFee, '8.88');
  answer = await exec(world, 'alipay.trade.refund', { ...ask, refundAmount: '1.00' });
  same('the same number with another amount: subCode', answer.subCode, 'ACQ.DISCORDANT_REPEAT_REQUEST');
  answer = await exec(world, 'alipay.trade.refund', { outTradeNo, refundAmount: '80.01', outRequestNo: 'R2' });
  same('more than is left: subCode', answer.subCode, 'ACQ.REFUND_AMT_NOT_EQUAL_TOTAL');

  answer = await exec(world, 'alipay.trade.fastpay.refund.query', { outTradeNo, outRequestNo: 'R1' });
  same('refund query: refundStatus', answer.refundStatus, 'REFUND_SUCCESS');
  same('refundAmount', answer.refundAmount, '8.88');
  answer = await exec(world, 'alipay.trade.fastpay.refund.query', { outTradeNo, outRequestNo: 'R9' });
  same('refund query of an unknown number: code', answer.code, '10000');
  same('refundStatus', answer.refundStatus, undefined);

  before = shop.notices.length;
  answer = await exec(world, 'alipay.trade.refund', { outTradeNo, refundAmount: '80', outRequestNo: 'R2' });
  same('the rest: refundFee', answer.refundFee, '88.88');
  await receive(world, before, { trade_status: 'TRADE_CLOSED', refund_fee: '88.88', out_biz_no: 'R2' });
}

/** pageByForm pays on a phone, through the form that pageExecute makes. */
export async function pageByForm(world) {
  heading('alipay.trade.wap.pay by form: cancel, come back, no funds, pay');
  const { sdk, shop, order } = world;
  const outTradeNo = order('wap');
  const html = sdk.pageExecute('alipay.trade.wap.pay', 'POST', {
    notifyUrl: `${shop.url}/notify`, returnUrl: `${shop.url}/return?lang=en`,
    bizContent: {
      outTradeNo, totalAmount: '6000.00', subject: 'A "gift" box', productCode: 'QUICK_WAP_WAY',
      quitUrl: `${shop.url}/cart`, timeoutExpress: '30m',
    },
  });
  const browser = await new Browser().submit(html);
  await browser.press('login', { buyer: '2' });
  await browser.press('cancel');
  same('cancelled, the cashier leads to quit_url', browser.link('quit'), `${shop.url}/cart`);
  let answer = await exec(world, 'alipay.trade.query', { outTradeNo });
  same('cancelled: tradeStatus', answer.tradeStatus, 'WAIT_BUYER_PAY');

  await browser.press('logout');
  await browser.press('login', { buyer: '2' });
  await browser.press('pay');
  check('5000.00 do not pay 6000.00', browser.page.includes('ACQ.BUYER_BALANCE_NOT_ENOUGH'));
  await browser.press('logout');
  await browser.press('login', { buyer: '1' });
  const before = shop.notices.length;
  await browser.press('pay');
  await receive(world, before, { trade_status: 'TRADE_SUCCESS', out_trade_no: outTradeNo, subject: 'A "gift" box' });
  const back = new URL(browser.link('return'));
  same('the merchant’s own query stays', back.searchParams.get('lang'), 'en');
  back.searchParams.delete('lang');
  check('checkNotifySignV2(return)', sdk.checkNotifySignV2(Object.fromEntries(back.searchParams)));
}

/** closed is an order that nobody pays, and one that was never opened. */
export async function closed(world) {
  heading('alipay.trade.close');
  const { sdk, order } = world;
  const outTradeNo = order('close');
  const address = sdk.pageExecute('alipay.trade.page.pay', 'GET', {
    bizContent: { outTradeNo, totalAmount: '1.00', subject: 'Tea', productCode: 'FAST_INSTANT_TRADE_PAY' },
  });
  let answer = await exec(world, 'alipay.trade.close', { outTradeNo });
  same('before the login: subCode', answer.subCode, 'ACQ.TRADE_NOT_EXIST');
  const browser = await new Browser().open(address);
  await browser.press('login', { buyer: '1' });
  answer = await exec(world, 'alipay.trade.close', { outTradeNo });
  same('after the login: code', answer.code, '10000');
  answer = await exec(world, 'alipay.trade.query', { outTradeNo });
  same('tradeStatus', answer.tradeStatus, 'TRADE_CLOSED');
  await browser.press('pay');
  check('the cashier refuses to pay it', browser.has('closed') && !browser.has('paid'));
}

/** otherWays are the ways to pay without a web page. */
export async function otherWays(world) {
  const { sdk, shop, control, order } = world;
  heading('alipay.trade.precreate: the buyer scans a code');
  let outTradeNo = order('qr');
  let answer = await exec(world, 'alipay.trade.precreate', { outTradeNo, totalAmount: '12.50', subject: 'Tea' },
    { notifyUrl: `${shop.url}/notify` });
  check('qrCode is an address', /^http/.test(answer.qrCode), answer.qrCode);
  let browser = await new Browser().open(answer.qrCode);
  await browser.press('login', { buyer: '4' });
  let before = shop.notices.length;
  await browser.press('pay');
  const notice = await receive(world, before, { trade_status: 'TRADE_SUCCESS', out_trade_no: outTradeNo });
  check('this buyer has an open id only', notice.buyer_open_id !== undefined && notice.buyer_id === undefined);

  heading('alipay.trade.create and alipay.trade.pay');
  outTradeNo = order('create');
  answer = await exec(world, 'alipay.trade.create',
    { outTradeNo, totalAmount: '3.00', subject: 'Tea', buyerId: '2088102146225101' });
  check('create gives a tradeNo at once', /^\d{20,}$/.test(answer.tradeNo), answer.tradeNo);
  await control('POST', `trades/${outTradeNo}/pay?wait=1`);
  answer = await exec(world, 'alipay.trade.query', { outTradeNo });
  same('paid through the control API: tradeStatus', answer.tradeStatus, 'TRADE_SUCCESS');
  answer = await exec(world, 'alipay.trade.pay', {
    outTradeNo: order('bar'), totalAmount: '3.00', subject: 'Tea', scene: 'bar_code', authCode: '281000000000000001',
  });
  same('a bar code pays at once: code', answer.code, '10000');
  outTradeNo = order('cancel');
  answer = await exec(world, 'alipay.trade.pay', {
    outTradeNo, totalAmount: '3.00', subject: 'Tea', scene: 'bar_code', authCode: '281000000000000002',
  });
  same('a bar code that asks the buyer: code', answer.code, '10003');
  answer = await exec(world, 'alipay.trade.cancel', { outTradeNo });
  same('cancel: action', answer.action, 'close');

  heading('alipay.trade.app.pay: the order string of an app');
  outTradeNo = order('app');
  const text = sdk.sdkExecute('alipay.trade.app.pay', {
    bizContent: { outTradeNo, totalAmount: '3.00', subject: 'Tea', productCode: 'QUICK_MSECURITY_PAY' },
  });
  browser = await new Browser().open(`${world.config.gateway}?${text}`);
  check('the gateway accepts the order string', browser.has('buyer-1'), browser.text('error-code'));
}

/** faulty is what a shop must survive: a forged notice, then the retry. */
export async function faulty(world) {
  heading('a fault: the first notice has a wrong signature, the retry comes four minutes later');
  const { sdk, shop, control, order } = world;
  const outTradeNo = order('fault');
  await control('PUT', 'faults', { orders: { [outTradeNo]: [{ name: 'notify_wrong_signature', times: 1 }] } });
  shop.judge = fields => sdk.checkNotifySignV2(fields);
  await exec(world, 'alipay.trade.precreate', { outTradeNo, totalAmount: '5.00', subject: 'Tea' },
    { notifyUrl: `${shop.url}/notify` });
  const before = shop.notices.length;
  await control('POST', `trades/${outTradeNo}/pay?wait=1`);
  same('the shop answered', (await shop.receive(before)).answer, 'failure');
  same('control API: the notice is', (await control('GET', `trades/${outTradeNo}`)).notices[0].state, 'pending');
  await control('POST', 'clock/advance', { duration: '4m' });
  same('after four minutes the shop answered', (await shop.receive(before + 1)).answer, 'success');
  const { notices } = await control('GET', `trades/${outTradeNo}`);
  same('control API: the notice is', notices[0].state, 'delivered');
  same('attempts', notices[0].attempts.length, 2);
  shop.judge = () => true;
  await control('PUT', 'faults', {});
}
