// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package wire holds what travels between a merchant and the gateway as
// bytes: form parameters, the string that is signed, RSA2 signatures, keys,
// certificates, AES content and character sets. It is written from Alipay's
// documents alone and shares nothing with the code that talks to the gateway,
// so that each side checks the other.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"sort"
	"strings"
)

// MaxParams bounds how many parameters one message may carry. Real requests
// have about twenty.
const MaxParams = 256

// ErrRepeated says that one source named a parameter twice. Alipay answers
// isv.suspected-attack to it.
var ErrRepeated = errors.New("parameter given twice")

// Param is one name and its value, percent-decoded once. The value holds the
// bytes as sent: what they mean is told by the charset parameter beside it.
type Param struct {
	Key, Value string
}

// Params are the parameters of one message in the order they came in. Keys
// are unique.
type Params []Param

// ParseForm reads an application/x-www-form-urlencoded text. It refuses
// damaged percent-encoding, a repeated key and more than MaxParams
// parameters; the other limits (size) are the caller's.
func ParseForm(text string) (Params, error) {
	var params Params
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil {
			return nil, fmt.Errorf("parameter name is not percent-encoded: %w", err)
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, fmt.Errorf("value of %q is not percent-encoded: %w", key, err)
		}
		if params, err = params.add(key, value); err != nil {
			return nil, err
		}
	}
	return params, nil
}

func (p Params) add(key, value string) (Params, error) {
	if p.Has(key) {
		return nil, fmt.Errorf("%w: %q", ErrRepeated, key)
	}
	if len(p) >= MaxParams {
		return nil, fmt.Errorf("more than %d parameters", MaxParams)
	}
	return append(p, Param{key, value}), nil
}

// ParseMultipart reads a multipart/form-data body. Files are left out: they
// are not part of the signed string.
func ParseMultipart(body []byte, boundary string) (Params, error) {
	if boundary == "" {
		return nil, errors.New("multipart without a boundary")
	}
	var params Params
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return params, nil
		}
		if err != nil {
			return nil, fmt.Errorf("multipart: %w", err)
		}
		if part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("multipart: %w", err)
		}
		if params, err = params.add(part.FormName(), string(value)); err != nil {
			return nil, err
		}
	}
}

// Merge joins the query's and the body's parameters. The same key with the
// same value in both is one parameter (the official PHP form does so with
// charset); with different values it is ErrRepeated.
func Merge(query, body Params) (Params, error) {
	merged := append(Params(nil), query...)
	for _, b := range body {
		if q, ok := query.Lookup(b.Key); ok {
			if q != b.Value {
				return nil, fmt.Errorf("%w: %q in query and body", ErrRepeated, b.Key)
			}
			continue
		}
		var err error
		if merged, err = merged.add(b.Key, b.Value); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

// Lookup returns a parameter's value and whether it was there.
func (p Params) Lookup(key string) (string, bool) {
	for _, param := range p {
		if param.Key == key {
			return param.Value, true
		}
	}
	return "", false
}

// Get returns a parameter's value, "" when it is absent.
func (p Params) Get(key string) string {
	value, _ := p.Lookup(key)
	return value
}

// Has says whether a parameter was there, even if empty.
func (p Params) Has(key string) bool {
	_, ok := p.Lookup(key)
	return ok
}

// Set replaces a parameter's value or appends the parameter.
func (p Params) Set(key, value string) Params {
	for i := range p {
		if p[i].Key == key {
			p[i].Value = value
			return p
		}
	}
	return append(p, Param{key, value})
}

// Encode writes the parameters as a form, in their order.
func (p Params) Encode() string {
	var text strings.Builder
	for i, param := range p {
		if i > 0 {
			text.WriteByte('&')
		}
		text.WriteString(url.QueryEscape(param.Key))
		text.WriteByte('=')
		text.WriteString(url.QueryEscape(param.Value))
	}
	return text.String()
}

// RequestString is the string a merchant signs for a request: every
// parameter but sign whose value is not blank, sorted by key, joined raw
// (Alipay document 057k53). sign_type belongs to it.
func (p Params) RequestString() string {
	return p.canonical(false, "sign")
}

// NoticeString is the string signed for a notice or a return: every parameter
// but sign and sign_type, empty values included (document 02mse7).
func (p Params) NoticeString() string {
	return p.canonical(true, "sign", "sign_type")
}

func (p Params) canonical(keepBlank bool, except ...string) string {
	chosen := make(Params, 0, len(p))
next:
	for _, param := range p {
		for _, name := range except {
			if param.Key == name {
				continue next
			}
		}
		if keepBlank || strings.TrimSpace(param.Value) != "" {
			chosen = append(chosen, param)
		}
	}
	// By key, not by "key=value": the two differ when one key begins another.
	sort.SliceStable(chosen, func(i, j int) bool { return chosen[i].Key < chosen[j].Key })
	var text strings.Builder
	for i, param := range chosen {
		if i > 0 {
			text.WriteByte('&')
		}
		text.WriteString(param.Key)
		text.WriteByte('=')
		text.WriteString(param.Value)
	}
	return text.String()
}
