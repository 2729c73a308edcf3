// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrCipher says that a text is no AES content under this key.
var ErrCipher = errors.New("the content is not AES under this key")

// EncryptAES encrypts content as Alipay does: AES-CBC with a zero IV, PKCS #7
// padding, base64 (document 02mse3).
func EncryptAES(key []byte, content []byte) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", fmt.Errorf("the AES key: %w", err)
	}
	pad := aes.BlockSize - len(content)%aes.BlockSize
	padded := append(bytes.Clone(content), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(padded, padded)
	return base64.StdEncoding.EncodeToString(padded), nil
}

// DecryptAES is the way back. Whatever is wrong with the text is ErrCipher.
func DecryptAES(key []byte, text string) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the AES key: %w", err)
	}
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(content) == 0 || len(content)%aes.BlockSize != 0 {
		return nil, ErrCipher
	}
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(content, content)
	pad := int(content[len(content)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(content[len(content)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrCipher
	}
	return content[:len(content)-pad], nil
}
