// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package sandbox is an Alipay gateway to develop against: it signs, checks
// and answers as the gateway of Alipay's computer and mobile website payment
// does, shows a cashier to the buyer, sends notices with Alipay's retries, and
// can be told to misbehave. It is a library first; the program alipay-sandbox
// serves it. It shares no code with the module that it tests.
//
// # What it does not do
//
// It checks more strictly than Alipay where Alipay's documents are strict, and
// knows nothing that they do not say. It does not judge risk, forbidden words,
// contracts, fees, limits per buyer or per day, or the age of a request's
// timestamp; it has one merchant with one app; the cashier is its own design;
// and all its state is in memory. What Alipay's documents leave open (an unpaid
// order's close before the first login, refunds within three seconds) is
// answered in the way that surprises a merchant least, and a fault gives the
// other way.
//
// # Rules worth knowing
//
// Opening a pay address creates nothing: the trade begins when a buyer logs in
// at the cashier, and until then alipay.trade.query answers
// ACQ.TRADE_NOT_EXIST. The same out_trade_no with other data is
// ACQ.CONTEXT_INCONSISTENT from then on. Cancelling at the cashier leaves the
// trade open. A full refund ends as TRADE_CLOSED with send_pay_date still there.
//
// # Buyers
//
// The test buyers are numbered from 1: one who can pay anything, one with
// 5000.00, one with nothing, one whom notices and answers name by open id
// only, one whose account is blocked.
//
// # Pages
//
// The cashier's elements have stable ids for browser tests: #buyer-1 to
// #buyer-5 (log in), #pay, #cancel, #switch (another account), #pay-again,
// #amount, #subject, #merchant, #out-trade-no, #countdown, #account, #balance,
// #error (with role alert), #paid, #trade-no, #return (back to the merchant,
// followed by itself after three seconds), #closed, #cancelled, #quit, and
// #lang. A page about an error has #error-code and #error-text; those of the
// gateway are GBK, as Alipay's. The page with a QR code (qr_page of a Trade, or
// /page behind the qr_code that precreate answered) has #live, #qr-address,
// #scan, #paid and #closed. ?lang=zh and ?lang=en choose the language, else
// Accept-Language does.
//
// # Control API
//
// JSON; an error is {"error": "…"} with a fitting status. ?wait=1 on a POST
// answers when the notices under way are done.
//
//	GET  /control/trades                       {"trades": [Trade, …]}
//	GET  /control/trades/{out_trade_no}        Trade
//	POST /control/trades/{out_trade_no}/pay    Trade; {"buyer": 1} is optional
//	POST /control/trades/{out_trade_no}/close  Trade
//	POST /control/trades/{out_trade_no}/finish Trade
//	POST /control/notices/{id}/resend          Notice
//	GET  /control/faults                       Faults and "catalogue"
//	PUT  /control/faults                       replaces all; {} ends all
//	GET  /control/clock                        {"now": "…"}
//	POST /control/clock/advance                {"seconds": 60} or {"duration": "4m"}
//	GET  /control/accounts                     Accounts
//	POST /control/accounts/seller/withdraw     {"amount": "50.00"}; Accounts
//
// # Faults
//
// A fault is on for every order, for one order (SetFaults, PUT
// /control/faults), or through the amount of the order:
//
//	666.01  notify_never              notices are never sent; a resend by hand is
//	666.02  notify_late               notices leave after a delay on the gateway's clock (default 30s)
//	666.03  notify_twice              each notice leaves twice at the same moment
//	666.04  notify_out_of_order       a notice waits until a later one of its order has gone first
//	666.05  notify_wrong_signature    the signature is another text's
//	666.06  notify_wrong_amount       total_amount is one fen more, validly signed
//	666.07  notify_gbk                the notice is in GBK and says so
//	666.08  notify_cert_sn            alipay_cert_sn of an unknown certificate is among the signed fields
//	666.09  notify_empty_values       some fields are there with empty values, signed
//	666.10  notify_query_in_body      the query of notify_url arrives in the body, unsigned
//	666.11  notify_key_rolled         signed with the next key, which /alipay_public_key.next.pem shows
//	666.12  notify_wrong_seller       seller_id is another's, validly signed
//	666.13  notify_wrong_app          app_id is another's, validly signed
//	666.14  notify_doubled_key        total_amount is there twice, the second time unsigned
//	666.15  notify_unknown_field      a field that no document names, signed
//	666.16  notify_is_return          the signed parameters of the return, posted as a notice
//	666.17  notify_clock_skew         notify_time and gmt_payment are nine hours ahead
//	666.18  notify_huge               the body has a field of one MiB, signed
//	666.19  notify_resplit            total_amount is moved into subject's value, which leaves the signed text as it was
//	666.21  paid_after_close          an order closed unpaid can still be paid
//	666.22  paid_twice                a second trade_no is noticed as paid for the same order
//	666.31  return_never              the paid page does not lead back to the shop
//	666.32  return_wrong_signature    the return's signature is another text's
//	666.33  return_gbk                the return says charset=GBK
//	666.34  return_late               the paid page leads back after a delay of real time (default 30s)
//	666.41  answer_timeout            no answer for a delay of real time (default 30s)
//	666.42  answer_500                HTTP 500 with an HTML page, though the call took effect
//	666.43  answer_unsigned_error     an unsigned 20000, though the call took effect
//	666.44  answer_unsigned_success   the answer without its signature
//	666.45  answer_system_error       a signed ACQ.SYSTEM_ERROR, and nothing was done
//	666.46  answer_system_error_done  a signed ACQ.SYSTEM_ERROR, though the call took effect
//	666.47  answer_truncated          half of the answer
//	666.48  answer_other_order        validly signed, of another order
//	666.49  answer_null               null where the response member belongs
//	666.50  answer_slashes            each / is written \/ in sign and content, signed before that
//	666.51  answer_wrong_signature    the signature is another text's
//	666.52  answer_doubled_member     the response member twice, the first one forged
//	666.53  answer_not_json           a login page instead of JSON
//	666.54  answer_huge               four MiB of blanks before the answer
//	666.55  cert_rolled               in certificate mode, answers name a new certificate of the same key
//	666.56  answer_clock_skew         the times in an answer and its Date are nine hours ahead
//	666.61  refund_slow               a refund answers fund_change=N and shows after a delay on the clock (default 30s)
//	666.62  refund_full_once          like Alipay's own sandbox: one refund call, of the full amount
//	666.63  refund_spacing            two refunds within three seconds are refused
//	666.64  refund_seller_balance     SELLER_BALANCE_NOT_ENOUGH
//	666.65  refund_unlisted           a signed refusal that Alipay's documents do not list
//
// Faults of notices strike at each attempt, those of time when the notice is
// made. Of the faults of answers the first that applies strikes.
package sandbox
