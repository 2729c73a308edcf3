// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is what the bytes of a message mean. Signatures are over bytes, so it
// is looked at only after verifying.
type charset int

const (
	utf8Charset charset = iota
	gbkCharset
	gb18030Charset
)

// charsetOf reads the charset parameter. Alipay documents utf-8 and gbk, and
// falls back to GBK when a request's charset was lost.
func charsetOf(name string) (charset, bool) {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8":
		return utf8Charset, true
	case "gbk", "gb2312":
		return gbkCharset, true
	case "gb18030":
		return gb18030Charset, true
	}
	return 0, false
}

// formType is the media type of a form in this charset.
func (c charset) formType() string {
	switch c {
	case gbkCharset:
		return formType + "; charset=gbk"
	case gb18030Charset:
		return formType + "; charset=gb18030"
	}
	return formType + "; charset=utf-8"
}

func (c charset) encoding() encoding.Encoding {
	if c == gb18030Charset {
		return simplifiedchinese.GB18030
	}
	return simplifiedchinese.GBK
}

// decode turns bytes in this charset into UTF-8; false if they are not in it.
func (c charset) decode(s string) (string, bool) {
	if isASCII(s) {
		return s, true
	}
	if c == utf8Charset {
		return s, utf8.ValidString(s)
	}
	text, err := c.encoding().NewDecoder().String(s)
	return text, err == nil && !strings.ContainsRune(text, utf8.RuneError)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fields reads the text of parameters and remembers whether all of it was text.
type fields struct {
	ps      params
	charset charset
	ok      bool
}

func (f *fields) text(key string) string {
	text, ok := f.charset.decode(f.ps.get(key))
	f.ok = f.ok && ok
	return text
}
