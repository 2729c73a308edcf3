// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
)

// ParseEncryptKey reads the AES key of the console (接口内容加密方式): base64 of 16,
// 24 or 32 bytes.
func ParseEncryptKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace([]byte(text))))
	if err != nil {
		return nil, errors.New("it is not base64: copy it from the console's 接口内容加密方式 as it is")
	}
	switch len(key) {
	case 16, 24, 32:
		return key, nil
	}
	return nil, errors.New("it is not an AES key of 16, 24 or 32 bytes in base64")
}

// decrypt undoes Alipay's encryption of an answer's content: AES-CBC with an IV
// of zeros, padded as PKCS #7 says (document 02mse3). The text was verified
// before, so what cannot be decrypted is encrypted with another key.
func (v *Verifier) decrypt(text string) ([]byte, error) {
	if v.encryptKey == nil {
		return nil, unknown("the answer is encrypted and no encrypt_key is configured")
	}
	block, err := aes.NewCipher(v.encryptKey)
	if err != nil {
		return nil, unknown("encrypt_key is no AES key")
	}
	content, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(content) == 0 || len(content)%aes.BlockSize != 0 {
		return nil, unknown("the answer's content is not encrypted as it should be")
	}
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(content, content)
	pad := int(content[len(content)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(content[len(content)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, unknown("the answer is encrypted with another encrypt_key")
	}
	return content[:len(content)-pad], nil
}
