// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"html"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// maxDiagnosis bounds the RSA operations of one diagnosis.
const maxDiagnosis = 48

// Diagnosis names the known mistake under which a refused notice would have
// verified. It is for the log and for nothing else: what it recognises has been
// altered on its way and stays refused.
type Diagnosis struct {
	Word     string // one of a closed set, fit for a label; "" if no mistake fits
	Sentence string // for the operator; it may name parameters that are not Alipay's
}

// Diagnose looks for the mistake behind a notice that Notify refused for its
// signature. rawQuery is the query of the URL it was posted to, others are the
// keys of other accounts. It costs up to 48 RSA operations, so the caller limits
// how often it asks, and asks for ReasonSignature and ReasonSignFormat only.
func (g *Gateway) Diagnose(body []byte, rawQuery string, others ...AlipayKey) Diagnosis {
	if len(body) == 0 || len(body) > MaxNotifyBody {
		return Diagnosis{}
	}
	ps, rejection := parseForm(body)
	if rejection != nil || !ps.sort() {
		return Diagnosis{}
	}
	keys := g.keys.Load()
	return keys.verifier.diagnose(ps, mistakes(rawQuery), keys.own, others)
}

// DiagnoseReturn is Diagnose for the query of a return. What else it carries beside
// Alipay's parameters has not been read, and is no mistake.
func (g *Gateway) DiagnoseReturn(rawQuery string, others ...AlipayKey) Diagnosis {
	ps, rejection := readReturn(rawQuery)
	if rejection != nil {
		return Diagnosis{}
	}
	known := slices.DeleteFunc(mistakes(""), func(m mistake) bool { return m.word == "extra_parameters" })
	keys := g.keys.Load()
	return keys.verifier.diagnose(ps, known, keys.own, others)
}

// mistake is a change to the parameters that would undo what went wrong.
type mistake struct {
	word     string
	undo     func(ps params) params // nil, or equal to ps: does not apply
	sentence string
}

func (v *Verifier) diagnose(ps params, known []mistake, own *rsa.PublicKey, others []AlipayKey) Diagnosis {
	d := detective{left: maxDiagnosis}
	if d.signed(ps, own, false) {
		return Diagnosis{"own_key", "it is signed with the app's own private key: a test tool, not Alipay, sent it"}
	}
	for _, k := range others {
		if k.Public != nil && d.signed(ps, k.Public, false) {
			return Diagnosis{"other_account", "it is signed with the key of another account of this configuration: is it the site's account that is wrong?"}
		}
	}
	for _, key := range v.keys {
		if d.signed(ps, key, true) {
			return Diagnosis{"sign_type_kept", "it is signed with sign_type in the text, as messages of Alipay's other services are: is this notify_url theirs, too?"}
		}
	}
	for _, m := range known {
		changed := m.undo(slices.Clone(ps))
		if changed == nil || slices.Equal(changed, ps) {
			continue
		}
		for _, key := range v.keys {
			if d.signed(changed, key, false) {
				return Diagnosis{m.word, m.sentence + extraNames(m.word, ps)}
			}
		}
	}
	return Diagnosis{}
}

// detective verifies without belief, and only so often.
type detective struct{ left int }

func (d *detective) signed(ps params, key *rsa.PublicKey, keepSignType bool) bool {
	sign, ok := decodeSign(ps.get("sign"), []*rsa.PublicKey{key})
	if !ok || d.left == 0 {
		return false
	}
	d.left--
	var text strings.Builder
	for _, p := range ps {
		if p.key == "sign" || p.key == "sign_type" && !keepSignType {
			continue
		}
		if text.Len() > 0 {
			text.WriteByte('&')
		}
		text.WriteString(p.key + "=" + p.value)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sign) == nil
}

func mistakes(rawQuery string) []mistake {
	return []mistake{
		{"html_entities", eachValue(html.UnescapeString),
			"something in front has escaped it for HTML (&quot; for a quote): a firewall or a framework's input filter"},
		{"slashes", eachValue(stripSlashes),
			"something in front has put backslashes before its quotes or slashes, as PHP's magic quotes did"},
		{"plus_as_space", plusInSign,
			"its + characters were decoded to spaces and sent on unescaped: something in front decodes the form and writes it anew"},
		{"encoded_twice", eachValue(decodeAgain),
			"its values are percent-encoded twice: something in front writes the form anew"},
		{"query_parameters", func(ps params) params { return moveQuery(ps, rawQuery) },
			"some of its parameters arrived in the URL's query instead of the body, or the query's were copied into the body"},
		{"extra_parameters", func(ps params) params { return slices.DeleteFunc(ps, undocumented) },
			"parameters that are not Alipay's were mixed in, perhaps from a query in notify_url or by a framework"},
		{"charset", eachValue(func(s string) string { return transcode(s, simplifiedchinese.GBK.NewEncoder()) }),
			"it was transcoded from GBK to UTF-8 on its way"},
		{"charset", eachValue(func(s string) string { return transcode(s, simplifiedchinese.GBK.NewDecoder()) }),
			"it was transcoded from UTF-8 to GBK on its way"},
	}
}

func undocumented(p param) bool { return !documented[p.key] }

func eachValue(undo func(string) string) func(params) params {
	return func(ps params) params {
		for i := range ps {
			ps[i].value = undo(ps[i].value)
		}
		return ps
	}
}

func stripSlashes(s string) string {
	return strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`, `\/`, `/`).Replace(s)
}

// plusInSign repairs sign, the one value in which no space can have been.
func plusInSign(ps params) params {
	for i := range ps {
		if ps[i].key == "sign" {
			ps[i].value = strings.ReplaceAll(ps[i].value, " ", "+")
		}
	}
	return ps
}

func decodeAgain(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	return s
}

// transcode returns s as it is if it is ASCII or does not fit.
func transcode(s string, with interface{ String(string) (string, error) }) string {
	if text, err := with.String(s); err == nil && !isASCII(s) {
		return text
	}
	return s
}

// moveQuery moves the query's parameters into the body, and takes those out of
// the body that are the query's own.
func moveQuery(ps params, rawQuery string) params {
	if rawQuery == "" || len(rawQuery) > MaxReturnQuery {
		return nil
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil || len(query)+len(ps) > maxParams {
		return nil
	}
	ps = slices.DeleteFunc(ps, func(p param) bool { return undocumented(p) && query.Has(p.key) })
	for key, values := range query {
		if documented[key] && !ps.has(key) {
			ps = append(ps, param{key: key, value: values[0]})
		}
	}
	ps.sort()
	return ps
}

// extraNames lists up to three of the parameters that are not Alipay's. Their
// names are of [a-z0-9_] and say which software put them there.
func extraNames(word string, ps params) string {
	if word != "extra_parameters" {
		return ""
	}
	var names []string
	for _, p := range ps {
		if !documented[p.key] && len(names) < 3 {
			names = append(names, p.key[:min(len(p.key), 32)])
		}
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// documented are the parameters of trade notices in document 00dn7l and those
// seen beyond it. The set is open, so that it serves diagnosis alone.
var documented = setOf(`
	agreement_no alipay_cert_sn app_id auth_app_id bank_ack_time bkagent_req_info body buyer_id buyer_logon_id
	buyer_open_id buyer_pay_amount charge_amount charge_flags charset dback_amount dback_status discount_amount
	discount_goods_detail fund_bill_list gmt_close gmt_create gmt_payment gmt_refund hb_fq_pay_info invoice_amount
	mdiscount_amount merchant_app_id notify_action_type notify_id notify_time notify_type out_biz_no out_trade_no
	passback_params point_amount receipt_amount refund_fee refund_preset_paytool_list refund_voucher_detail_list
	seller_email seller_id send_back_fee settlement_id sign sign_type subject total_amount trade_no trade_status
	version voucher_detail_list`)

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}
