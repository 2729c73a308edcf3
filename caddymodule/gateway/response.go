// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxAnswer bounds an answer of the gateway, in bytes. Answers to a query have
// 1 to 3 KiB.
const maxAnswer = 1 << 20

// answer is what the gateway said to one call.
type answer struct {
	fields members
	signed bool // by a configured key of Alipay
}

// readAnswer verifies an answer to the method: the bytes of the member
// <method>_response are signed as they stand (document 02mse7). Errors wrap
// ErrUnknown: what cannot be believed says nothing about the trade.
//
// An answer without a sign is returned as unsigned if it is an error, for the
// gateway signs none that it gives before it knows the app; an unsigned success
// never passes.
func (v *Verifier) readAnswer(method string, body []byte) (answer, error) {
	if len(body) > maxAnswer {
		return answer{}, unknown("the answer is over 1 MiB")
	}
	if !utf8.Valid(body) {
		return answer{}, unknown("the answer is not UTF-8")
	}
	root, err := scanObject(body)
	if err != nil {
		return answer{}, unknown("the answer is no JSON object that can be read in one way")
	}
	name := strings.ReplaceAll(method, ".", "_") + "_response"
	content, failure, err := contentOf(root, name)
	if err != nil {
		return answer{}, err
	}
	a := answer{}
	plain := content
	if content[0] == '"' { // nothing is decrypted that Alipay has not signed
		if !v.verifyAnswer(content, root.text("sign"), root.text("alipay_cert_sn")) {
			return answer{}, unknown("the answer is not signed by the configured key of Alipay")
		}
		a.signed = true
		if plain, err = v.decrypt(root.text(name)); err != nil {
			return answer{}, err
		}
	}
	if a.fields, err = scanObject(plain); err != nil {
		return answer{}, unknown("the response is no JSON object that can be read in one way")
	}
	if a.succeeded() && failure {
		return answer{}, unknown("the answer is a success that is called an error")
	}
	if !root.has("sign") {
		if a.succeeded() || a.fields.text("code") == "" {
			return answer{}, unknown("the answer is not signed")
		}
		return a, nil
	}
	if !a.signed && !v.verifyAnswer(content, root.text("sign"), root.text("alipay_cert_sn")) {
		return answer{}, fmt.Errorf("%w: %w", ErrUnknown, ErrForeign)
	}
	a.signed = true
	return a, nil
}

// contentOf is the answer's signed member, and whether it is an error_response,
// which the gateway gives when it cannot tell the method.
func contentOf(root members, name string) (content []byte, failure bool, err error) {
	content, other := root.raw(name), root.raw("error_response")
	switch {
	case content != nil && other != nil:
		return nil, false, unknown("the answer holds both a response and an error_response")
	case content == nil && other == nil:
		return nil, false, unknown("the answer holds no " + name)
	case content == nil:
		return other, true, nil
	}
	return content, false, nil
}

func (a answer) succeeded() bool { return a.fields.text("code") == "10000" }

// verifyAnswer checks the signature over the content as it came and, if that
// fails, with its slashes written the other way: document 02kdnf says that the
// gateway may sign \/ and send / or the reverse.
func (v *Verifier) verifyAnswer(content []byte, signText, certSN string) bool {
	keys := v.candidates(certSN)
	sign, ok := decodeSign(signText, keys)
	if !ok {
		return false
	}
	forms := [][]byte{content}
	if bytes.IndexByte(content, '/') >= 0 {
		forms = append(forms, otherSlashes(content))
	}
	for _, form := range forms {
		sum := sha256.Sum256(form)
		for _, key := range keys {
			if key.Size() == len(sign) && v.check(key, crypto.SHA256, sum[:], sign) == nil {
				v.tell(key)
				return true
			}
		}
	}
	return false
}

func otherSlashes(content []byte) []byte {
	if bytes.Contains(content, []byte(`\/`)) {
		return bytes.ReplaceAll(content, []byte(`\/`), []byte(`/`))
	}
	return bytes.ReplaceAll(content, []byte(`/`), []byte(`\/`))
}

func unknown(detail string) error { return fmt.Errorf("%w: %s", ErrUnknown, detail) }
