// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
)

// The pair is published in the tests of alipay/alipay-easysdk (Java,
// util/aes/ClientTest).
func TestAESKnownAnswer(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("aa4BtZ4tspm2wnXLb1ThQA==")
	if err != nil {
		t.Fatal(err)
	}
	text, err := EncryptAES(key, []byte("test1234567"))
	if err != nil || text != "ILpoMowjIQjfYMR847rnFQ==" {
		t.Errorf("%s, %v", text, err)
	}
	content, err := DecryptAES(key, "ILpoMowjIQjfYMR847rnFQ==")
	if err != nil || !bytes.Equal(content, []byte("test1234567")) {
		t.Errorf("%s, %v", content, err)
	}
	for _, bad := range []string{"", "AAAA", "ILpoMowjIQjfYMR847rnFA==", "!", "AAAAAAAAAAAAAAAAAAAAAA=="} {
		if _, err := DecryptAES(key, bad); !errors.Is(err, ErrCipher) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
