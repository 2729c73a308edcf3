// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// maxKeyFile bounds a key or certificate file, in bytes. Alipay's bundle of
// root certificates has 5 KiB.
const maxKeyFile = 128 << 10

// readItems takes a key file apart: DER as it is, each PEM block of a text, or
// a text without PEM lines as base64. It returns at least one item or an error.
func readItems(data []byte) ([]item, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("the key file has %d bytes, at most %d are read: is it the right file?", len(data), maxKeyFile)
	}
	if isDER(data) {
		it, err := sniff(data)
		return []item{it}, err
	}
	text := normalise(data)
	if text == "" {
		return nil, errors.New("the key is empty: is the file or environment variable set?")
	}
	var items []item
	for _, b := range pemBlocks(text) {
		if b.encrypted {
			items = append(items, item{kind: kindEncrypted})
			continue
		}
		der, err := decodeBase64(b.body)
		if err != nil {
			return nil, err
		}
		it, err := sniff(der)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// isDER tells binary from text: a DER sequence begins with 0x30, which is also
// the digit 0, and then, for anything as long as a key, a byte above 0x7f.
func isDER(data []byte) bool { return len(data) > 2 && data[0] == 0x30 && data[1] >= 0x80 }

// normalise undoes what editors, chats, spreadsheets and .env files do to a
// key: byte order marks, UTF-16, zero-width characters, quotes, full-width
// letters, and line breaks written as backslash-n.
func normalise(data []byte) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\ufeff' || r >= '\u200b' && r <= '\u200f' || r == '\u2060':
			return -1
		case strings.ContainsRune("\"'`“”‘’", r):
			return -1
		case r == '\u00a0' || r == '\u3000':
			return ' '
		case r >= '！' && r <= '～': // full-width forms of U+0021 to U+007E
			return r - '！' + '!'
		}
		return r
	}, fromUTF16(data))
	text = strings.NewReplacer(`\r`, "\n", `\n`, "\n", `\t`, " ", "\r", "\n").Replace(text)
	return strings.TrimSpace(text)
}

func fromUTF16(data []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return string(data)
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

type pemBlock struct {
	body      string
	encrypted bool
}

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

// pemBlocks finds the PEM blocks of a text, also those written in one line,
// which encoding/pem does not read. A text without any is one block.
func pemBlocks(text string) []pemBlock {
	var blocks []pemBlock
	for {
		_, rest, found := strings.Cut(text, pemBegin)
		if !found {
			break
		}
		label, rest, _ := strings.Cut(rest, pemDash)
		body, after, _ := strings.Cut(rest, pemEnd)
		encrypted := strings.Contains(label, "ENCRYPTED") || strings.Contains(body, "ENCRYPTED")
		blocks = append(blocks, pemBlock{body: body, encrypted: encrypted})
		text = after
	}
	if blocks == nil {
		blocks = []pemBlock{{body: text}}
	}
	return blocks
}

// decodeBase64 reads standard or URL-safe base64 with any white space in it,
// padded or not. A text that was cut in the middle of a group is decoded as far
// as it goes, so that sniff can say how much is missing.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer(" ", "", "\n", "", "\t", "", "\v", "", "\f", "", "-", "+", "_", "/").Replace(s)
	s = strings.TrimRight(s, "=")
	if s == "" {
		return nil, errors.New("the key is empty: there is nothing between its PEM lines")
	}
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	der, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("this is no key: neither PEM nor base64 (is it a path, a password, or a file of another kind?)")
	}
	return der, nil
}
