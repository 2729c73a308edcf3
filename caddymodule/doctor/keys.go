// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// keys examines an account's keys, and returns them if they can be used.
func (x *examination) keys(a *caddymodule.Account) *gateway.Config {
	private := x.privateKey(a)
	certs := a.AppCert != "" || len(a.AlipayCerts) > 0 || a.AlipayRootCert != ""
	var cfg *gateway.Config
	switch {
	case certs && a.AlipayPublicKey != "":
		x.fault(MixedModes, x.say("alipay_public_key and certificates are both configured: an app is in one mode or the other",
			"同时配置了 alipay_public_key 和证书：一个应用只能使用其中一种模式"),
			x.say("keep the mode that Alipay's console shows for the app (接口加签方式), and remove the other's options", "保留控制台“接口加签方式”中显示的模式，删除另一种的选项"))
	case certs:
		cfg = x.certs(a, private)
	default:
		cfg = x.publicKeys(a, private)
	}
	encrypt, ok := x.encryptKey(a.EncryptKey)
	if private == nil || cfg == nil || !ok {
		return nil
	}
	cfg.PrivateKey, cfg.EncryptKey = private, encrypt
	fingerprint := "?"
	if own, ok := private.Public().(*rsa.PublicKey); ok {
		fingerprint = gateway.Fingerprint(own)
	}
	x.fine(KeysFine, x.say("the keys fit; the app's public key has the SHA-256 %s", "密钥相符；应用公钥的 SHA-256 为 %s", fingerprint))
	return cfg
}

func (x *examination) encryptKey(text string) ([]byte, bool) {
	if text == "" {
		return nil, true
	}
	key, err := gateway.ParseEncryptKey(text)
	if err != nil {
		x.fault(BadEncryptKey, "encrypt_key: "+err.Error(), x.say("copy the AES key from the console (接口内容加密方式), or remove the option", "请从控制台（接口内容加密方式）复制 AES 密钥，或删除该选项"))
	}
	return key, err == nil
}

func (x *examination) privateKey(a *caddymodule.Account) crypto.Signer {
	const keygen = "caddy alipay keygen"
	if a.AppPrivateKey == "" {
		x.fault(NoPrivateKey, x.say("app_private_key is missing", "缺少 app_private_key"), keygen)
		return nil
	}
	cctx, cancel, err := scratch()
	if err != nil {
		x.fault(BadPrivateKey, err.Error(), keygen)
		return nil
	}
	defer cancel()
	signer, file, err := a.Signer(cctx)
	if err != nil || signer != nil {
		if err != nil {
			x.fault(BadPrivateKey, err.Error(), keygen)
		}
		return signer
	}
	data, err := caddymodule.ReadKey("app_private_key", file)
	if err != nil {
		x.fault(BadPrivateKey, err.Error(), x.fileCure(err, file, keygen))
		return nil
	}
	x.privateKeyMode(file)
	key, err := gateway.ParsePrivateKey(data)
	if err != nil {
		x.fault(BadPrivateKey, "app_private_key: "+err.Error(), keygen)
		return nil
	}
	return key
}

// fileCure is what helps against a file that cannot be read; otherwise is for one
// that is not there.
func (x *examination) fileCure(err error, file, otherwise string) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return x.say("run the doctor as the server's user, or: chown <that user> %s", "请以服务器所用的用户运行，或：chown <该用户> %s", file)
	case errors.Is(err, fs.ErrNotExist):
		return otherwise + x.say("   (paths start at the working folder of the server)", "   （相对路径从服务器的工作目录算起）")
	}
	return x.say("name a key file", "请指定密钥文件")
}

func (x *examination) privateKeyMode(file string) {
	if caddymodule.IsInlineKey(file) || runtime.GOOS == "windows" { // Windows has no such modes
		return
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return
	}
	x.warning(OpenPrivateKey, x.say("other users can read the private key %s (mode %04o)", "其他用户可以读取私钥 %s（权限 %04o）", file, info.Mode().Perm()),
		"chmod 600 "+file)
}

func (x *examination) publicKeys(a *caddymodule.Account, private crypto.Signer) *gateway.Config {
	if a.AlipayPublicKey == "" {
		x.fault(NoAlipayKey, x.say("alipay_public_key is missing", "缺少 alipay_public_key"), x.downloadKey())
		return nil
	}
	cfg := new(gateway.Config)
	for _, value := range append([]string{a.AlipayPublicKey}, a.OlderAlipayPublicKeys...) {
		if key := x.publicKey(value, private); key != nil {
			cfg.AlipayKeys = append(cfg.AlipayKeys, gateway.AlipayKey{Public: key})
		}
	}
	if len(cfg.AlipayKeys) <= len(a.OlderAlipayPublicKeys) {
		return nil // one of them was refused
	}
	return cfg
}

func (x *examination) downloadKey() string {
	return x.say("save what Alipay's console shows as 支付宝公钥, and name the file: alipay_public_key keys/alipay_public_key.pem",
		"把控制台显示的“支付宝公钥”保存为文件，并写入：alipay_public_key keys/alipay_public_key.pem")
}

func (x *examination) publicKey(value string, private crypto.Signer) *rsa.PublicKey {
	data, err := caddymodule.ReadKey("alipay_public_key", value)
	if err != nil {
		x.fault(BadAlipayKey, err.Error(), x.fileCure(err, value, x.downloadKey()))
		return nil
	}
	key, err := gateway.ParsePublicKey(data)
	if err != nil {
		x.fault(BadAlipayKey, "alipay_public_key: "+err.Error(), x.downloadKey())
		return nil
	}
	if private != nil && key.Equal(private.Public()) {
		x.fault(OwnPublicKey, x.say("alipay_public_key is the app's own public key (应用公钥): nothing that Alipay sends would verify",
			"alipay_public_key 填的是应用公钥（自己的公钥），支付宝发来的任何内容都无法验签"), x.downloadKey())
		return nil
	}
	return key
}
