// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import "strings"

// The signed text is k=v joined with &, and nothing in it is escaped. A value
// that holds "&k=" may therefore be read as two parameters and two parameters
// as one value, and the signature fits both readings. subject, body and
// passback_params may hold what a buyer wrote. So a message is refused if its
// signed text has another reading that would change a field that is used.

// used are the parameters that decide anything; the others are only passed on.
var used = map[string]bool{
	"app_id": true, "buyer_id": true, "buyer_open_id": true, "charset": true, "gmt_close": true, "gmt_payment": true,
	"gmt_refund": true, "method": true, "notify_id": true, "notify_type": true, "out_biz_no": true,
	"out_trade_no": true, "refund_fee": true, "seller_id": true, "total_amount": true, "trade_no": true,
	"trade_status": true,
}

// plain are further documented parameters whose values hold no &. Free text
// (subject, body, passback_params), lists and undocumented ones may.
var plain = map[string]bool{
	"auth_app_id": true, "buyer_pay_amount": true, "gmt_create": true, "invoice_amount": true,
	"notify_action_type": true, "notify_time": true, "point_amount": true, "receipt_amount": true,
	"send_back_fee": true, "version": true,
}

// whole reports whether a parameter's value is one segment, or else no sense.
func whole(key string) bool { return used[key] || plain[key] }

// required are those of used without which no reading would be accepted and
// folded into an order. Sorted.
var required = []string{"app_id", "notify_id", "notify_type", "out_trade_no", "total_amount", "trade_no", "trade_status"}

// maxSegments bounds the search, which takes quadratic time.
const maxSegments = 512

// segment is a piece of the signed text between two &.
type segment struct {
	key   string // "" if it can only be part of a value
	start bool   // begins a parameter in the message as received
}

// ambiguous reports whether the signed text of ps, which are sorted by key, has
// another reading in which a used field is different. It is asked only for
// texts whose signature holds.
//
// A reading chooses segments that begin a parameter. Their keys ascend, for the
// text is sorted; the first segment is one of them; the value of a used or plain
// parameter is a whole segment; no required key is missing.
func ambiguous(ps params, r reading) bool {
	segments, suspect := segmentsOf(ps, r)
	if !suspect {
		return false
	}
	if len(segments) > maxSegments {
		return true
	}
	from, to := reachable(segments)
	for i, s := range segments {
		if !s.start && used[s.key] && from[i] && to[i] {
			return true
		}
	}
	for i, s := range segments[:len(segments)-1] {
		if s.start && whole(s.key) && !segments[i+1].start {
			return true
		}
	}
	return false
}

// segmentsOf cuts the signed text. It is suspect if a used key follows an &
// within a value, or a value holds an & that should not.
func segmentsOf(ps params, r reading) (segments []segment, suspect bool) {
	for _, p := range ps {
		if !r.includes(p) || strings.IndexByte(p.value, '&') < 0 {
			continue
		}
		suspect = suspect || whole(p.key)
		_, rest, more := strings.Cut(p.value, "&")
		for more {
			var piece string
			piece, rest, more = strings.Cut(rest, "&")
			suspect = suspect || used[segmentKey(piece)]
		}
	}
	if !suspect {
		return nil, false
	}
	for _, p := range ps {
		if !r.includes(p) {
			continue
		}
		segments = append(segments, segment{key: p.key, start: true})
		_, rest, more := strings.Cut(p.value, "&")
		for more && len(segments) <= maxSegments {
			var piece string
			piece, rest, more = strings.Cut(rest, "&")
			segments = append(segments, segment{key: segmentKey(piece)})
		}
	}
	return segments, true
}

// segmentKey is the key that a piece would have as a parameter of its own. sign
// and sign_type are never part of the signed text.
func segmentKey(piece string) string {
	if key, _, ok := strings.Cut(piece, "="); ok && isKey(key) && key != "sign" && key != "sign_type" {
		return key
	}
	return ""
}

// reachable says for each segment whether an acceptable reading can lead up to
// it as the beginning of a parameter, and on from it to the end of the text.
func reachable(segments []segment) (from, to []bool) {
	n := len(segments)
	from, to = make([]bool, n), make([]bool, n)
	for j, s := range segments {
		if s.key == "" {
			continue
		}
		from[j] = j == 0 && !skips("", s.key)
		for i := 0; i < j && !from[j]; i++ {
			from[j] = from[i] && follows(segments, i, j)
		}
	}
	for i := n - 1; i >= 0; i-- {
		s := segments[i]
		if s.key == "" {
			continue
		}
		to[i] = (i == n-1 || !whole(s.key)) && !skips(s.key, "")
		for j := i + 1; j < n && !to[i]; j++ {
			to[i] = to[j] && follows(segments, i, j)
		}
	}
	return from, to
}

// follows reports whether segments i and j can begin adjoining parameters.
func follows(segments []segment, i, j int) bool {
	a, b := segments[i].key, segments[j].key
	return a < b && (j == i+1 || !whole(a)) && !skips(a, b)
}

// skips reports whether a required key lies between a and b ("": the end).
func skips(a, b string) bool {
	for _, r := range required {
		if r > a && (b == "" || r < b) {
			return true
		}
	}
	return false
}
