// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Command verify checks X-Alipay-Trade-Assertion with Go's own library. In a shop:
//
//	claims, err := alipayClaims(r.Header.Get("X-Alipay-Trade-Assertion"), body, jwks, "https://shop.example.com")
//
// On the return page there is no body: give nil. jwks is the text of
// /.well-known/jwks.json; keep it for some minutes.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type header struct{ Alg, Kid string }

type jwkSet struct {
	Keys []struct{ Kid, Crv, X string }
}

// Claims are the headers' values, and who signed what for whom until when.
type Claims struct {
	Iss, Aud, Sub, Jti, Status, Source, Event, Sequence string

	Exp            int64
	BodySHA256     string `json:"body_sha256"`
	TradeNo        string `json:"trade_no"`
	TotalAmount    string `json:"total_amount"`
	RefundedAmount string `json:"refunded_amount"`
	PaidAt         string `json:"paid_at"`
}

func alipayClaims(assertion string, body, jwks []byte, audience string) (*Claims, error) {
	part := strings.Split(assertion, ".")
	var head header
	var set jwkSet
	if len(part) != 3 || decode(part[0], &head) != nil || json.Unmarshal(jwks, &set) != nil || head.Alg != "EdDSA" {
		return nil, errors.New("no assertion")
	}
	signature, err := base64.RawURLEncoding.DecodeString(part[2])
	for _, key := range set.Keys {
		public, _ := base64.RawURLEncoding.DecodeString(key.X)
		if err != nil || key.Kid != head.Kid || key.Crv != "Ed25519" || len(public) != ed25519.PublicKeySize ||
			!ed25519.Verify(public, []byte(part[0]+"."+part[1]), signature) {
			continue
		}
		claims := new(Claims)
		digest := sha256.Sum256(body)
		switch {
		case decode(part[1], claims) != nil || claims.Iss != "caddy-alipay" || claims.Aud != audience:
			return nil, errors.New("for somebody else")
		case claims.Exp <= time.Now().Unix():
			return nil, errors.New("expired")
		case body != nil && claims.BodySHA256 != hex.EncodeToString(digest[:]):
			return nil, errors.New("another body")
		}
		return claims, nil
	}
	return nil, errors.New("unknown key or bad signature")
}

func decode(part string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// go run verify.go JWKS AUDIENCE ASSERTION [BODY]      JWKS is a URL or a file, BODY a file
func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: verify JWKS AUDIENCE ASSERTION [BODY]")
	}
	jwks, err := read(args[0])
	if err != nil {
		return err
	}
	var body []byte
	if len(args) > 3 {
		if body, err = os.ReadFile(args[3]); err != nil {
			return err
		}
	}
	claims, err := alipayClaims(args[2], body, jwks, args[1])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}

func read(place string) ([]byte, error) {
	if !strings.Contains(place, "://") {
		return os.ReadFile(place)
	}
	resp, err := http.Get(place)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
