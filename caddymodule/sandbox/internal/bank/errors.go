// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package bank

// Error is a business error as Alipay's table names it. It is answered with
// code 40004.
type Error struct {
	Code string // sub_code, with its prefix
	Text string // sub_msg, in Chinese as Alipay's
}

func (e *Error) Error() string { return e.Code + ": " + e.Text }

func fail(code, text string) *Error { return &Error{"ACQ." + code, text} }

// Invalid is ACQ.INVALID_PARAMETER, with what is wrong.
func Invalid(what string) *Error {
	return fail("INVALID_PARAMETER", "参数无效，"+what)
}

// The business errors, after the error tables of the API pages (028r8t,
// 02ekfq, 02ekfs, 02ekft, 02o6e8).
var (
	ErrSystem              = fail("SYSTEM_ERROR", "系统错误")
	ErrNotExist            = fail("TRADE_NOT_EXIST", "交易不存在")
	ErrHasSuccess          = fail("TRADE_HAS_SUCCESS", "交易已被支付")
	ErrHasClose            = fail("TRADE_HAS_CLOSE", "交易已经关闭")
	ErrHasFinished         = fail("TRADE_HAS_FINISHED", "交易已完结")
	ErrStatus              = fail("TRADE_STATUS_ERROR", "交易状态不合法")
	ErrInconsistent        = fail("CONTEXT_INCONSISTENT", "交易信息被篡改")
	ErrExpired             = fail("NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已大于允许支付的时间")
	ErrBuyerBalance        = fail("BUYER_BALANCE_NOT_ENOUGH", "买家余额不足")
	ErrBuyerForbidden      = fail("BUYER_ENABLE_STATUS_FORBID", "买家状态非法")
	ErrSellerBalance       = fail("SELLER_BALANCE_NOT_ENOUGH", "商户的支付宝账户中无足够的资金进行撤销")
	ErrDiscordantRepeat    = fail("DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
	ErrRefundTooMuch       = fail("REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
	ErrRefundFee           = fail("REFUND_FEE_ERROR", "交易退款金额有误，部分退款须传入退款请求号")
	ErrInvalidSeller       = fail("INVALID_RECEIVE_ACCOUNT", "收款账户不支持")
	ErrPaymentAuthCode     = fail("PAYMENT_AUTH_CODE_INVALID", "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款")
	ErrRefundUnlisted      = fail("REFUND_PAUSED_FOR_REVIEW", "该交易的退款正在审核")
	ErrRefundNotAllowed    = fail("TRADE_NOT_ALLOW_REFUND", "当前交易不允许退款")
	ErrRefundPartForbidden = fail("NOT_ALLOW_PARTIAL_REFUND", "不支持部分退款")
)
