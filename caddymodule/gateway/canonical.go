// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

// reading is one way to form the signed text of a message. Alipay's documents
// and SDKs contradict each other on two points, see readings.
type reading struct {
	dropEmpty  bool // parameters with an empty value are not part of the text
	dropCertSN bool // nor is alipay_cert_sn
}

func (r reading) includes(p param) bool {
	switch p.key {
	case "sign", "sign_type":
		return false
	case "alipay_cert_sn":
		return !r.dropCertSN && !(r.dropEmpty && p.value == "")
	}
	return !(r.dropEmpty && p.value == "")
}

// readings lists those that differ for ps, the likeliest first: document 02mse7
// says that whatever was received is signed, Alipay's PHP SDK leaves out empty
// values in one class and keeps them in another, and no document says whether
// alipay_cert_sn is signed.
func readings(ps params) []reading {
	empty, certSN := false, false
	for _, p := range ps {
		switch {
		case p.key == "sign" || p.key == "sign_type":
		case p.value == "":
			empty = true
		case p.key == "alipay_cert_sn":
			certSN = true
		}
	}
	list := make([]reading, 1, 4)
	if empty {
		list = append(list, reading{dropEmpty: true})
	}
	if certSN {
		list = append(list, reading{dropCertSN: true})
	}
	if empty && certSN {
		list = append(list, reading{dropEmpty: true, dropCertSN: true})
	}
	return list
}

// appendCanonical appends the signed text of ps, which are sorted by key: k=v,
// joined with &, nothing escaped (document 057k53).
func appendCanonical(text []byte, ps params, r reading) []byte {
	first := true
	for _, p := range ps {
		if !r.includes(p) {
			continue
		}
		if !first {
			text = append(text, '&')
		}
		first = false
		text = append(text, p.key...)
		text = append(text, '=')
		text = append(text, p.value...)
	}
	return text
}
