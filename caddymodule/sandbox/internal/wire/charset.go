// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// The two character sets that Alipay's gateway knows, by the names it uses.
const (
	UTF8 = "utf-8"
	GBK  = "GBK"
)

// CharsetOf recognises a charset parameter. Without one the gateway reads
// GBK; anything but the two is refused (isv.invalid-charset).
func CharsetOf(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "utf-8", "utf8":
		return UTF8, true
	case "gbk", "gb2312", "gb18030", "":
		return GBK, true
	}
	return "", false
}

// Decode turns bytes in a charset into UTF-8.
func Decode(charset, text string) (string, error) {
	if charset == GBK {
		decoded, err := simplifiedchinese.GBK.NewDecoder().String(text)
		if err != nil {
			return "", fmt.Errorf("decoding GBK: %w", err)
		}
		return decoded, nil
	}
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("the text is not UTF-8")
	}
	return text, nil
}

// Encode turns UTF-8 into bytes in a charset. Characters that GBK lacks
// become HTML numeric references, as the gateway's own pages show them.
func Encode(charset, text string) (string, error) {
	if charset != GBK {
		return text, nil
	}
	encoder := encoding.HTMLEscapeUnsupported(simplifiedchinese.GBK.NewEncoder())
	encoded, err := encoder.String(text)
	if err != nil {
		return "", fmt.Errorf("encoding GBK: %w", err)
	}
	return encoded, nil
}
