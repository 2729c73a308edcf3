// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

// Reason says in one word why a notice or a return was refused. The words are a
// closed set, fit for a metric's label.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	ReasonContentType  Reason = "content_type"  // not a form
	ReasonSize         Reason = "size"          // empty, or over the bound
	ReasonForm         Reason = "form"          // not well-formed, or too many parameters
	ReasonDuplicateKey Reason = "duplicate_key" // a parameter that occurs twice
	ReasonMethod       Reason = "method"        // a notice with a method (a return posted here), a return without one
	ReasonNotifyType   Reason = "notify_type"   // another kind of message than trade_status_sync
	ReasonMissing      Reason = "missing"       // without a parameter that every such message has
	ReasonAppID        Reason = "app_id"        // for another app
	ReasonSignType     Reason = "sign_type"     // not RSA2
	ReasonCharset      Reason = "charset"       // neither UTF-8 nor GBK
	ReasonAmount       Reason = "amount"        // a return without a readable amount
	ReasonSignFormat   Reason = "sign_format"   // not base64 of a configured key's length
	ReasonSignature    Reason = "signature"     // not signed by a configured key
	ReasonAmbiguous    Reason = "ambiguous"     // the signed text can be read in more than one way
	ReasonEncoding     Reason = "encoding"      // a field that is used is not text in its charset
)

// Reasons lists all of them.
func Reasons() []Reason {
	return []Reason{
		ReasonContentType, ReasonSize, ReasonForm, ReasonDuplicateKey, ReasonMethod, ReasonNotifyType, ReasonMissing,
		ReasonAppID, ReasonSignType, ReasonCharset, ReasonAmount, ReasonSignFormat, ReasonSignature, ReasonAmbiguous,
		ReasonEncoding,
	}
}

// Rejection is the error of Verifier.Notify and Verifier.Return. Detail is for
// the log: it is a constant or names one of Alipay's parameters, and never holds
// anything from the message.
type Rejection struct {
	Reason Reason
	Detail string
}

func (r *Rejection) Error() string { return "refused (" + string(r.Reason) + "): " + r.Detail }

func reject(reason Reason, detail string) *Rejection {
	return &Rejection{Reason: reason, Detail: detail}
}
