// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

const (
	secret = "a-secret-of-at-least-thirty-two-bytes"
	site   = "https://shop.example.com"
)

var (
	now = time.Date(2026, 3, 14, 10, 0, 0, 0, time.UTC)

	pair    = newPair()
	theSite = &shop.Shop{PublicURL: &url.URL{Scheme: "https", Host: "shop.example.com"}}
)

func newPair() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return private
}

type claims map[string]any

// order is what a shop signs, with the given claims changed (nil drops one).
func order(change claims) claims {
	c := claims{
		"aud": site, "iat": now.Unix(), "exp": now.Add(15 * time.Minute).Unix(),
		"out_trade_no": "A1", "total_amount": "88.88", "subject": "茶 tea",
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// hs256 signs texts, with code of the test's own.
func hs256(header, payload, secret string) string {
	input := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

func signed(c claims) string { return hs256(plainHeader, jsonOf(c), secret) }

func eddsa(header, payload string, key ed25519.PrivateKey) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(string(ed25519.Sign(key, []byte(input))))
}

func provisioned(t testing.TB, token Token) *Token {
	t.Helper()
	if err := token.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	token.now = func() time.Time { return now }
	return &token
}

func bySecret(t testing.TB) *Token { return provisioned(t, Token{Secrets: []string{secret}}) }

func byKey(t testing.TB) *Token {
	return provisioned(t, Token{PublicKeys: []string{keyFile(t, "PUBLIC KEY", pkix(pair.Public()))}})
}

func pkix(key any) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return der
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func keyFile(t testing.TB, label string, der []byte) string {
	t.Helper()
	return file(t, string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})))
}

func offer(t *Token, form url.Values) (*trade.Offer, error) {
	return t.Offer(nil, nil, form, theSite)
}

func TestOffer(t *testing.T) {
	t.Parallel()
	byLibrary := func(alg jose.SignatureAlgorithm, key any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k1"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(signer).Claims(map[string]any(order(nil))).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		source *Token
		token  string
	}{
		"HS256":            {bySecret(t), signed(order(nil))},
		"HS256, a library": {bySecret(t), byLibrary(jose.HS256, []byte(secret))},
		"EdDSA":            {byKey(t), eddsa(`{"alg":"EdDSA"}`, jsonOf(order(nil)), pair)},
		"EdDSA, a library": {byKey(t), byLibrary(jose.EdDSA, pair)},
		"an older secret":  {provisioned(t, Token{Secrets: []string{strings.Repeat("new", 11), secret}}), signed(order(nil))},
	} {
		got, err := offer(c.source, url.Values{"order": {c.token}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.OutTradeNo != "A1" || got.Total != 8888 || got.Subject != "茶 tea" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	got, err := offer(bySecret(t), url.Values{"out_trade_no": {"A1"}, "order": {signed(order(claims{
		"total_amount": 88.8, "subject": "a/b", "body": "B", "timeout_express": "90m", "passback_params": "P", "seller_id": "2088",
		"goods_detail": []any{map[string]any{"goods_id": "g"}}, "unknown": "x", "sub": "somebody",
	}))}})
	if err != nil || got.Total != 8880 || got.Subject != "a／b" || got.Body != "B" || got.TimeoutExpress != "90m" || got.PassbackParams != "P" ||
		got.SellerID != "2088" || string(got.Others["goods_detail"]) != `[{"goods_id":"g"}]` || len(got.Others) != 1 {
		t.Errorf("all fields: %+v, %v", got, err)
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	source := bySecret(t)
	for name, c := range map[string]struct {
		claims claims
		want   error
		status int
	}{
		"aud as a list":       {order(claims{"aud": []string{"https://other", site}}), nil, 0},
		"no iat":              {order(claims{"iat": nil}), nil, 0},
		"exp at the bound":    {order(claims{"exp": in(24 * time.Hour)}), nil, 0},
		"exp just over":       {order(claims{"exp": in(-59 * time.Second)}), nil, 0},
		"iat a little ahead":  {order(claims{"iat": in(59 * time.Second)}), nil, 0},
		"exp with a fraction": {order(claims{"exp": float64(in(time.Hour)) + 0.5}), nil, 0},

		"no aud":                 {order(claims{"aud": nil}), errAudience, 401},
		"wrong aud":              {order(claims{"aud": "https://other.example.com"}), errAudience, 401},
		"aud with a slash":       {order(claims{"aud": site + "/"}), errAudience, 401},
		"aud of another scheme":  {order(claims{"aud": "http://shop.example.com"}), errAudience, 401},
		"aud empty":              {order(claims{"aud": ""}), errAudience, 401},
		"aud an empty list":      {order(claims{"aud": []string{}}), errAudience, 401},
		"aud a number":           {order(claims{"aud": 5}), errClaims, 401},
		"aud an object":          {order(claims{"aud": map[string]string{"a": site}}), errClaims, 401},
		"aud a list of anything": {order(claims{"aud": []any{5, site}}), errClaims, 401},
		"no exp":                 {order(claims{"exp": nil}), errNoEnd, 401},
		"exp a text":             {order(claims{"exp": "2026-03-15"}), errClaims, 401},
		"exp a number as text":   {order(claims{"exp": "1773482400"}), errClaims, 401},
		"exp huge":               {order(claims{"exp": 1e300}), errClaims, 401},
		"exp far":                {order(claims{"exp": 1e17}), errLong, 401},
		"exp negative":           {order(claims{"exp": -1}), errOver, 401},
		"exp too far":            {order(claims{"exp": in(24*time.Hour + 61*time.Second)}), errLong, 401},
		"exp in milliseconds":    {order(claims{"exp": in(time.Hour) * 1000}), errLong, 401},
		"expired":                {order(claims{"exp": in(-61 * time.Second)}), errOver, 401},
		"nbf ahead":              {order(claims{"nbf": in(61 * time.Second)}), errEarly, 401},
		"iat ahead":              {order(claims{"iat": in(61 * time.Second)}), errEarly, 401},

		"no out_trade_no":        {order(claims{"out_trade_no": nil}), errNumber, 400},
		"out_trade_no a number":  {order(claims{"out_trade_no": 5}), errNumber, 400},
		"out_trade_no with dots": {order(claims{"out_trade_no": "../A1"}), errNumber, 400},
		"out_trade_no too long":  {order(claims{"out_trade_no": strings.Repeat("1", 65)}), errNumber, 400},
		"no amount":              {order(claims{"total_amount": nil}), trade.ErrOffer, 400},
		"amount of nothing":      {order(claims{"total_amount": "0.00"}), trade.ErrOffer, 400},
		"amount negative":        {order(claims{"total_amount": "-1.00"}), trade.ErrOffer, 400},
		"three decimals":         {order(claims{"total_amount": "1.001"}), trade.ErrOffer, 400},
		"no subject":             {order(claims{"subject": nil}), trade.ErrOffer, 400},
		"subject a list":         {order(claims{"subject": []string{"a"}}), trade.ErrOffer, 400},
	} {
		_, err := offer(source, url.Values{"order": {signed(c.claims)}})
		wantRefusal(t, name, err, c.want, c.status)
	}
	_, err := offer(source, url.Values{"order": {signed(order(nil))}, "out_trade_no": {"A2"}})
	wantRefusal(t, "another out_trade_no beside it", err, errLink, 400)
}

// wantRefusal fails unless an error is the one that is wanted, with its status for
// the browser and a text in both languages that holds nothing of the token.
func wantRefusal(t *testing.T, name string, err, want error, status int) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	answer, ok := errors.AsType[caddyhttp.HandlerError](err)
	if !ok || !errors.Is(err, want) || answer.StatusCode != status {
		t.Errorf("%s: %v, want %d %v", name, err, status, want)
		return
	}
	if text := answer.Err.Error(); !strings.HasPrefix(text, "付款链接") || !strings.Contains(text, "pay link") || strings.Contains(text, "eyJ") {
		t.Errorf("%s: the buyer reads %q", name, text)
	}
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	good := jsonOf(order(nil))
	genuine := signed(order(nil))
	part := strings.Split(genuine, ".")
	pemKey := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix(pair.Public())}))
	raw := string(pair.Public().(ed25519.PublicKey))
	doubled := strings.Replace(good, "{", `{"total_amount":"0.01",`, 1)
	for name, c := range map[string]struct {
		source *Token
		token  string
		want   error
		status int
	}{
		"nothing":                      {bySecret(t), "", errNoToken, 400},
		"a word":                       {bySecret(t), "A1", errNoToken, 400},
		"two parts":                    {bySecret(t), part[0] + "." + part[1], errNoToken, 400},
		"four parts":                   {bySecret(t), genuine + ".x", errNoToken, 400},
		"no signature":                 {bySecret(t), part[0] + "." + part[1] + ".", errNoToken, 400},
		"spaces":                       {bySecret(t), " " + genuine, errNoToken, 400},
		"line breaks":                  {bySecret(t), part[0] + "\n." + part[1] + "." + part[2], errNoToken, 400},
		"standard base64":              {bySecret(t), part[0] + "." + part[1] + "." + "+/==", errNoToken, 400},
		"JSON serialization":           {bySecret(t), `{"payload":"` + part[1] + `"}`, errNoToken, 400},
		"huge":                         {bySecret(t), signed(order(claims{"body": strings.Repeat("a", maxToken)})), errNoToken, 400},
		"header no JSON":               {bySecret(t), hs256("x", good, secret), errNoToken, 400},
		"header twice alg":             {bySecret(t), hs256(`{"alg":"none","alg":"HS256"}`, good, secret), errNoToken, 400},
		"alg none":                     {bySecret(t), b64(`{"alg":"none"}`) + "." + part[1] + ".AA", errAlgorithm, 401},
		"alg None, signed":             {bySecret(t), hs256(`{"alg":"None"}`, good, secret), errAlgorithm, 401},
		"alg absent":                   {bySecret(t), hs256(`{"typ":"JWT"}`, good, secret), errAlgorithm, 401},
		"alg HS512":                    {bySecret(t), hs256(`{"alg":"HS512"}`, good, secret), errAlgorithm, 401},
		"alg hs256":                    {bySecret(t), hs256(`{"alg":"hs256"}`, good, secret), errAlgorithm, 401},
		"EdDSA where HS256 belongs":    {bySecret(t), eddsa(`{"alg":"EdDSA"}`, good, pair), errAlgorithm, 401},
		"HS256 by the public key":      {byKey(t), hs256(plainHeader, good, raw), errAlgorithm, 401},
		"HS256 by the public key file": {byKey(t), hs256(plainHeader, good, pemKey), errAlgorithm, 401},
		"EdDSA by HMAC":                {byKey(t), hs256(`{"alg":"EdDSA"}`, good, raw), errSignature, 401},
		"another key":                  {byKey(t), eddsa(`{"alg":"EdDSA"}`, good, newPair()), errSignature, 401},
		"own key in the header":        {byKey(t), withOwnKey(good), errHeader, 401},
		"another secret":               {bySecret(t), hs256(plainHeader, good, secret+"x"), errSignature, 401},
		"changed":                      {bySecret(t), part[0] + "." + b64(jsonOf(order(claims{"total_amount": "0.01"}))) + "." + part[2], errSignature, 401},
		"crit":                         {bySecret(t), hs256(`{"alg":"HS256","crit":["exp"]}`, good, secret), errHeader, 401},
		"b64":                          {bySecret(t), hs256(`{"alg":"HS256","b64":false,"crit":["b64"]}`, good, secret), errHeader, 401},
		"jku":                          {bySecret(t), hs256(`{"alg":"HS256","jku":"https://evil.example/keys"}`, good, secret), errHeader, 401},
		"doubled claim":                {bySecret(t), hs256(plainHeader, doubled, secret), errClaims, 401},
		"claims in other letters":      {bySecret(t), hs256(plainHeader, strings.Replace(good, `"exp"`, `"EXP"`, 1), secret), errNoEnd, 401},
		"claims a list":                {bySecret(t), hs256(plainHeader, "["+good+"]", secret), errClaims, 401},
		"claims null":                  {bySecret(t), hs256(plainHeader, "null", secret), errClaims, 401},
		"claims and more":              {bySecret(t), hs256(plainHeader, good+good, secret), errClaims, 401},
		"claims no UTF-8":              {bySecret(t), hs256(plainHeader, strings.Replace(good, "tea", "\xff", 1), secret), trade.ErrOffer, 400},
	} {
		_, err := offer(c.source, url.Values{"order": {c.token}})
		wantRefusal(t, name, err, c.want, c.status)
	}
}

func withOwnKey(payload string) string {
	own := newPair()
	return eddsa(jsonOf(map[string]any{"alg": "EdDSA", "jwk": jose.JSONWebKey{Key: own.Public()}}), payload, own)
}

func TestProvision(t *testing.T) {
	t.Parallel()
	public := jose.JSONWebKey{Key: pair.Public(), KeyID: "k"}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	nine := make([]string, 9)
	for i := range nine {
		nine[i] = secret
	}
	for name, c := range map[string]struct {
		token Token
		want  string
	}{
		"JWK":            {Token{PublicKeys: []string{file(t, jsonOf(public))}}, ""},
		"JWK Set":        {Token{PublicKeys: []string{file(t, jsonOf(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}))}}, ""},
		"nothing":        {Token{}, "give a secret"},
		"both":           {Token{Secrets: []string{secret}, PublicKeys: []string{"x"}}, "exclude each other"},
		"short":          {Token{Secrets: []string{secret[:31]}}, "less than 32 bytes"},
		"unset":          {Token{Secrets: []string{"{env.NO_SUCH_SECRET_IS_SET}"}}, "set the variable"},
		"many":           {Token{Secrets: nine}, "at most 8"},
		"no file":        {Token{PublicKeys: []string{"/no/such/file"}}, "no such file"},
		"private":        {Token{PublicKeys: []string{keyFile(t, "PRIVATE KEY", private)}}, "this is a private key"},
		"private JWK":    {Token{PublicKeys: []string{file(t, jsonOf(jose.JSONWebKey{Key: pair}))}}, "this is a private key"},
		"RSA":            {Token{PublicKeys: []string{keyFile(t, "PUBLIC KEY", pkix(rsaKey.Public()))}}, "no Ed25519 public key"},
		"a secret's JWK": {Token{PublicKeys: []string{file(t, jsonOf(jose.JSONWebKey{Key: []byte(secret)}))}}, "no Ed25519 public key"},
		"garbage":        {Token{PublicKeys: []string{file(t, "x")}}, "no Ed25519 public key"},
		"huge":           {Token{PublicKeys: []string{file(t, strings.Repeat("x", maxKeyFile+1))}}, "larger than 64 KiB"},
	} {
		err := c.token.Provision(caddy.Context{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), secret[:10]) {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"token {\nsecret a\nsecret b\n}": true,
		"token {\npublic_key k.pem\n}":   true,
		"token":                          true, // refused when it is provisioned
		"token x":                        false,
		"token {\nsecret\n}":             false,
		"token {\nsecret \"\"\n}":        false,
		"token {\nsecret a b\n}":         false,
		"token {\nkey a\n}":              false,
		"token {\nsecret a {\nb\n}\n}":   false,
	} {
		token := new(Token)
		if err := token.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	if new(Token).Private("/pay") {
		t.Error("a path is private")
	}
}

// FuzzOffer: whatever comes as a token is taken only if the shop has signed it,
// and then gives an order that Alipay would take.
func FuzzOffer(f *testing.F) {
	f.Add(signed(order(nil)))
	f.Add(signed(order(claims{"aud": []string{site}, "goods_detail": []any{}})))
	f.Add(eddsa(`{"alg":"EdDSA"}`, jsonOf(order(nil)), pair))
	f.Add(hs256(`{"alg":"HS256","crit":["b64"],"b64":false}`, jsonOf(order(nil)), secret))
	f.Add(b64(`{"alg":"none"}`) + "." + b64("{}") + ".AA")
	f.Add(withOwnKey(jsonOf(order(nil))))
	tokens := []*Token{bySecret(f), byKey(f)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, source := range tokens {
			got, err := offer(source, url.Values{"order": {text}})
			if err != nil {
				answer, ok := errors.AsType[caddyhttp.HandlerError](err)
				if !ok || answer.StatusCode != http.StatusBadRequest && answer.StatusCode != http.StatusUnauthorized {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if len(text) > maxToken || !trade.ValidOutTradeNo(got.OutTradeNo) || got.Total <= 0 || got.Subject == "" {
				t.Fatalf("%q became %+v", text, got)
			}
		}
	})
}

// FuzzClaims: whatever the shop signs is an order that Alipay would take, or is
// refused.
func FuzzClaims(f *testing.F) {
	f.Add(jsonOf(order(nil)))
	f.Add(`{"aud":["` + site + `"],"exp":1773482400,"out_trade_no":"A","total_amount":1e2,"subject":"x"}`)
	f.Add(`{"exp":1e400}`)
	source := bySecret(f)
	f.Fuzz(func(t *testing.T, payload string) {
		got, err := offer(source, url.Values{"order": {hs256(plainHeader, payload, secret)}})
		if err == nil && (!trade.ValidOutTradeNo(got.OutTradeNo) || got.Total <= 0 || got.Subject == "") {
			t.Fatalf("%q became %+v", payload, got)
		}
	})
}
