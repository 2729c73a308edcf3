// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf16"
)

// keyForms are the spellings in which one key reaches a configuration.
func keyForms(t *testing.T, pemText []byte) map[string][]byte {
	t.Helper()
	block, _ := pem.Decode(pemText)
	if block == nil {
		t.Fatal("openssl wrote no PEM")
	}
	line := base64.StdEncoding.EncodeToString(block.Bytes)
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(string(pemText))) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	fullWidth := strings.Map(func(r rune) rune {
		if r >= '!' && r <= '~' {
			return r - '!' + '！'
		}
		return r
	}, line)
	return map[string][]byte{
		"PEM":              pemText,
		"DER":              block.Bytes,
		"one line":         []byte(line),
		"one line, no =":   []byte(strings.TrimRight(line, "=")),
		"URL-safe":         []byte(base64.RawURLEncoding.EncodeToString(block.Bytes)),
		"CRLF":             bytes.ReplaceAll(pemText, []byte("\n"), []byte("\r\n")),
		"CR":               bytes.ReplaceAll(pemText, []byte("\n"), []byte("\r")),
		"BOM":              append([]byte("\ufeff"), pemText...),
		"UTF-16":           wide,
		"spaces around":    []byte("  \n\t" + line + " \n"),
		"spaces within":    []byte(line[:60] + " " + line[60:90] + "\u3000" + line[90:120] + "\u00a0" + line[120:]),
		"zero-width":       []byte(line[:60] + "\u200b" + line[60:]),
		"quotes":           []byte(`"` + line + `"`),
		"typographic":      []byte("“" + line + "”"),
		"backslash n":      bytes.ReplaceAll(pemText, []byte("\n"), []byte(`\n`)),
		"PEM in one line":  bytes.ReplaceAll(pemText, []byte("\n"), []byte(" ")),
		"PEM without ends": []byte("-----BEGIN KEY-----\n" + line),
		"a lying label":    []byte("-----BEGIN CERTIFICATE-----\n" + line + "\n-----END CERTIFICATE-----"),
		"text before it":   append([]byte("Bag Attributes\n    localKeyID: 01\n"), pemText...),
		"full-width":       []byte(fullWidth),
	}
}

func TestParsePrivateKey(t *testing.T) {
	p := namedPair(t, "app")
	want := p.alipayKey(t, "").Public
	pkcs1 := openssl(t, p.privatePEM, "pkey", "-traditional")
	for syntax, text := range map[string][]byte{"PKCS#8": p.privatePEM, "PKCS#1": pkcs1} {
		for form, data := range keyForms(t, text) {
			key, err := ParsePrivateKey(data)
			if err != nil {
				t.Errorf("%s, %s: %v", syntax, form, err)
			} else if !sameKey(&key.PublicKey, want) {
				t.Errorf("%s, %s: another key", syntax, form)
			}
		}
	}
	both := append(append([]byte{}, p.publicPEM...), p.privatePEM...)
	if _, err := ParsePrivateKey(both); err != nil {
		t.Errorf("a file with both halves: %v", err)
	}
}

func TestParsePublicKey(t *testing.T) {
	p := namedPair(t, "app")
	private, err := ParsePrivateKey(p.privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := openssl(t, p.publicPEM, "rsa", "-pubin", "-RSAPublicKey_out")
	for syntax, text := range map[string][]byte{"PKIX": p.publicPEM, "PKCS#1": pkcs1} {
		for form, data := range keyForms(t, text) {
			key, err := ParsePublicKey(data)
			if err != nil {
				t.Errorf("%s, %s: %v", syntax, form, err)
			} else if !sameKey(&private.PublicKey, key) {
				t.Errorf("%s, %s: another key", syntax, form)
			}
		}
	}
}

// TestKeyMistakes has the mistakes of the issue trackers of other SDKs. Each
// sentence names the mistake, and none holds any of the key.
func TestKeyMistakes(t *testing.T) {
	p := namedPair(t, "app")
	certificate, request := appCertificate(t, p)
	weak := newPair(t, "1024")
	ec := openssl(t, nil, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	sm2 := openssl(t, nil, "genpkey", "-algorithm", "SM2")
	encrypted := openssl(t, p.privatePEM, "pkey", "-aes256", "-passout", "pass:secret")
	oldEncrypted := openssl(t, p.privatePEM, "rsa", "-aes128", "-passout", "pass:secret", "-traditional")
	block, _ := pem.Decode(p.privatePEM)
	line := base64.StdEncoding.EncodeToString(block.Bytes)
	encryptedBlock, _ := pem.Decode(encrypted)
	for name, tc := range map[string]struct {
		data            []byte
		private, public string // what the error says
	}{
		"empty":               {nil, "empty", "empty"},
		"white space":         {[]byte(" \n\ufeff"), "empty", "empty"},
		"PEM lines only":      {[]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"), "empty", "empty"},
		"public":              {p.publicPEM, "public key where the app's private key", ""},
		"private":             {p.privatePEM, "", "private key where Alipay's public key"},
		"certificate":         {certificate, "certificate where the app's private key", "alipay_cert"},
		"request":             {request, "certificate request (CSR)", "certificate request (CSR)"},
		"1024 bits":           {weak.privatePEM, "1024 bits and RSA2 needs 2048", "private key where"},
		"1024 bits, public":   {weak.publicPEM, "public key where", "1024 bits and RSA2 needs 2048"},
		"EC":                  {ec, "EC, SM2", "EC, SM2"},
		"EC, public":          {openssl(t, ec, "pkey", "-pubout"), "EC, SM2", "EC, SM2"},
		"EC, traditional":     {openssl(t, ec, "pkey", "-traditional"), "EC, SM2", "EC, SM2"},
		"SM2":                 {sm2, "EC, SM2", "EC, SM2"},
		"SM2, public":         {openssl(t, sm2, "pkey", "-pubout"), "EC, SM2", "EC, SM2"},
		"encrypted":           {encrypted, "passphrase", "passphrase"},
		"encrypted, PKCS#1":   {oldEncrypted, "passphrase", "passphrase"},
		"encrypted, no lines": {encryptedBlock.Bytes, "passphrase", "passphrase"},
		"truncated":           {[]byte(line[:800]), "truncated: expected", "truncated: expected"},
		"truncated oddly":     {[]byte(line[:801]), "truncated: expected", "truncated: expected"},
		"pasted twice":        {append(bytes.Clone(block.Bytes), block.Bytes...), "pasted twice", "pasted twice"},
		"a password":          {[]byte("hunter2!?"), "neither PEM nor base64", "neither PEM nor base64"},
		"a path":              {[]byte("/etc/keys/app.pem"), "no key", "no key"},
		"other base64":        {[]byte("aGVsbG8gd29ybGQ="), "no DER sequence", "no DER sequence"},
		"other DER":           {[]byte{0x30, 0x81, 0x02, 0x05, 0x00}, "neither PKCS#1", "neither PKCS#1"},
		"a large file":        {bytes.Repeat([]byte("A"), maxKeyFile+1), "at most", "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePrivateKey(tc.data)
			checkMistake(t, err, tc.private, tc.data)
			_, err = ParsePublicKey(tc.data)
			checkMistake(t, err, tc.public, tc.data)
		})
	}
}

// checkMistake wants one sentence that holds want ("": no error) and no stretch
// of the data.
func checkMistake(t *testing.T, err error, want string, data []byte) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one that says %q", err, want)
		return
	}
	if strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 250 {
		t.Errorf("%q is not one sentence", err)
	}
	for i := 0; i+12 <= len(data); i++ {
		if piece := string(data[i : i+12]); strings.Contains(err.Error(), piece) {
			t.Errorf("the error echoes %q", piece)
		}
	}
}

func TestFingerprint(t *testing.T) {
	p := namedPair(t, "app")
	der := openssl(t, p.publicPEM, "pkey", "-pubin", "-pubout", "-outform", "DER")
	sum := strings.Fields(string(openssl(t, der, "dgst", "-sha256", "-r")))[0]
	if got := Fingerprint(p.alipayKey(t, "").Public); got != sum {
		t.Errorf("got %s, openssl says %s", got, sum)
	}
}
