// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"slices"
	"strings"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// fieldRows are what can be done to each single parameter of a notice: nine
// messages for each.
func fieldRows(w *world) (rows []row) {
	fields := slices.Sorted(keysOf(victim{w, "X"}.values()))
	for i, f := range fields {
		rows = append(rows,
			row{f + " dropped after signing", func(v victim) message {
				return posted(without(v.values(), f).Encode())
			}, refusedFor(gone(f))},
			row{f + " emptied after signing", func(v victim) message {
				return posted(with(v.values(), f, "").Encode())
			}, refusedFor(gone(f))},
			row{f + " changed after signing", func(v victim) message {
				s := v.values()
				return posted(with(s, f, changed(s.Get(f))).Encode())
			}, refusedFor(other(f))},
			row{f + " of 5 KB", func(v victim) message {
				return posted(with(v.values(), f, strings.Repeat("A", 5000)).Encode())
			}, refusedFor(large(f))},
			row{f + " twice, the same", func(v victim) message {
				s := v.values()
				return posted(s.Encode() + "&" + f + "=" + escaped(s.Get(f)))
			}, refusedFor(gateway.ReasonDuplicateKey)},
			row{f + " twice, another in front", func(v victim) message {
				s := v.values()
				return posted(f + "=" + escaped(changed(s.Get(f))) + "&" + s.Encode())
			}, refusedFor(gateway.ReasonDuplicateKey)},
			row{f + " once more in capitals", func(v victim) message {
				s := v.values()
				return posted(s.Encode() + "&" + strings.ToUpper(f) + "=" + escaped(s.Get(f)))
			}, refusedFor(gateway.ReasonForm)},
			row{f + " is the last before the end", func(v victim) message {
				return posted(strings.Join(pieces(v.values().Encode())[:i+1], "&"))
			}, cutBehind(f, fields[len(fields)-1])},
		)
		if f != "sign" && f != "sign_type" {
			rows = append(rows, row{f + " left out by Alipay itself", func(v victim) message {
				return posted(v.values(f, "").Encode())
			}, leftOut(f)})
		}
	}
	return rows
}

// changed is a value that is another one, of the same length.
func changed(s string) string {
	switch {
	case s[len(s)-1] != '7' && s[len(s)-1] != '=':
		return s[:len(s)-1] + "7"
	case s[0] != '8':
		return "8" + s[1:]
	}
	return "9" + s[1:]
}

// other is why a notice is refused one of whose parameters is another one: the
// signature fails, unless a cheaper check finds it.
func other(field string) gateway.Reason {
	switch field {
	case "app_id":
		return gateway.ReasonAppID
	case "notify_type":
		return gateway.ReasonNotifyType
	case "sign_type":
		return gateway.ReasonSignType
	case "charset":
		return gateway.ReasonCharset
	}
	return gateway.ReasonSignature
}

// gone is other for a parameter that is not there, or empty.
func gone(field string) gateway.Reason {
	switch field {
	case "notify_id", "out_trade_no", "trade_status":
		return gateway.ReasonMissing
	case "charset": // it need not be there
		return gateway.ReasonSignature
	}
	return large(field)
}

// large is other for a parameter of the wrong size.
func large(field string) gateway.Reason {
	if field == "sign" {
		return gateway.ReasonSignFormat
	}
	return other(field)
}

// cutBehind is the outcome of a notice of which only the parameters up to field
// have arrived, in the order of their names.
func cutBehind(field, last string) outcome {
	switch {
	case field == last:
		return believed
	case field < "notify_type":
		return refusedFor(gateway.ReasonNotifyType)
	case field < "trade_status":
		return refusedFor(gateway.ReasonMissing)
	}
	return refusedFor(gateway.ReasonSignature)
}

// leftOut is the outcome of a notice that Alipay has signed without a field.
func leftOut(field string) outcome {
	switch field {
	case "app_id":
		return refusedFor(gateway.ReasonAppID)
	case "notify_type":
		return refusedFor(gateway.ReasonNotifyType)
	case "notify_id", "out_trade_no", "trade_status":
		return refusedFor(gateway.ReasonMissing)
	case "total_amount":
		return heldFor(trade.ReasonAmount)
	case "trade_no":
		return heldFor(trade.ReasonIncomplete)
	}
	return believed
}
