// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// The parts of the integration that are about the gateway itself.

import { generateKeyPairSync } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { AlipaySdk } from 'alipay-sdk';
import { exec } from './parts-trade.mjs';
import { check, heading, note, same } from './transcript.mjs';
import { Browser } from './world.mjs';

/** bills asks for a day's bill when the day is over. */
export async function bills(world) {
  heading('alipay.data.dataservice.bill.downloadurl.query');
  const { control } = world;
  const { now } = await control('GET', 'clock');
  const ask = { billType: 'trade', billDate: now.slice(0, 10) };
  const method = 'alipay.data.dataservice.bill.downloadurl.query';
  let answer = await exec(world, method, ask);
  same('on the same day: code', answer.code, '40004');
  note(answer.subMsg);
  await control('POST', 'clock/advance', { duration: '24h' });
  answer = await exec(world, method, ask);
  same('on the next day: code', answer.code, '10000');
  const archive = Buffer.from(await (await fetch(answer.billDownloadUrl)).arrayBuffer());
  const text = new TextDecoder('gbk').decode(firstFile(archive));
  check('the archive holds a GBK bill with the refund', text.includes('明前龙井') && text.includes('-8.88'),
    text.slice(0, 400));
  note(text.split('\r\n')[0]);
}

/** firstFile unpacks the first member of a ZIP archive by its directory. */
function firstFile(archive) {
  const directory = archive.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
  const size = archive.readUInt32LE(directory + 20);
  const local = archive.readUInt32LE(directory + 42);
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const packed = archive.subarray(start, start + size);
  return archive.readUInt16LE(directory + 10) === 0 ? packed : inflateRawSync(packed);
}

/** misconfigured is what a developer sees who has mixed up keys or apps. */
export async function misconfigured({ config }) {
  heading('mistakes in the configuration');
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const other = new AlipaySdk({ ...config, privateKey, keyType: 'PKCS1' });
  let answer = await other.exec('alipay.trade.query', { bizContent: { outTradeNo: 'A1' } });
  same('another private key: subCode', answer.subCode, 'isv.invalid-signature');
  check('the gateway shows the string that it checked', answer.subMsg.includes(`app_id=${config.appId}&amp;`), answer.subMsg);

  const page = await new Browser().open(other.pageExecute('alipay.trade.page.pay', 'GET', {
    bizContent: { outTradeNo: 'A1', totalAmount: '1.00', subject: 'Tea', productCode: 'FAST_INSTANT_TRADE_PAY' },
  }));
  same('the payer sees', page.text('error-code'), 'isv.invalid-signature');

  const lost = new AlipaySdk({ ...config, appId: '2021000000000000' });
  answer = await lost.exec('alipay.trade.query', { bizContent: { outTradeNo: 'A1' } });
  same('another app: subCode', answer.subCode, 'isv.invalid-app-id');
}

/** encrypted calls with AES, and checks the signature over the ciphertext. */
export async function encrypted(world) {
  heading('AES: biz_content and answers encrypted');
  const { sdk, order } = world;
  const outTradeNo = order('aes');
  const created = await sdk.exec('alipay.trade.precreate', {
    needEncrypt: true, bizContent: { outTradeNo, totalAmount: '9.90', subject: '加密的茶' },
  });
  same('precreate: code', created.code, '10000');
  same('outTradeNo', created.outTradeNo, outTradeNo);
  await world.control('POST', `trades/${outTradeNo}/pay?wait=1`);
  const answer = await sdk.exec('alipay.trade.query', { needEncrypt: true, bizContent: { outTradeNo } });
  same('query: tradeStatus', answer.tradeStatus, 'TRADE_SUCCESS');
  same('control API: subject', (await world.control('GET', `trades/${outTradeNo}`)).subject, '加密的茶');

  // The SDK's validateSign looks for braces, of which a ciphertext has none, and
  // so refuses what is right; its error carries the answer's bytes. rsaCheck
  // then takes what Alipay signs: the ciphertext with its quotes.
  const raw = await sdk.exec('alipay.trade.query', { needEncrypt: true, bizContent: { outTradeNo } }, { validateSign: true })
    .then(() => '', error => error.responseDataRaw ?? String(error));
  const [, content, sign] = /_response":("[^"]*").*"sign":"([^"]*)"/.exec(raw) ?? [];
  check('rsaCheck(quoted ciphertext)', content !== undefined && sdk.rsaCheck(content, sign), raw);
  same('aesDecrypt: out_trade_no', content && JSON.parse(sdk.aesDecrypt(JSON.parse(content))).out_trade_no, outTradeNo);
}
