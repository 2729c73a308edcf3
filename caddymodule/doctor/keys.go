// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// keys examines an account's keys, and returns them if they can be used.
func (x *examination) keys(a *caddymodule.Account) *gateway.Config {
	private := x.privateKey(a.AppPrivateKey)
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
		cfg = x.publicKey(a.AlipayPublicKey, private)
	}
	if private == nil || cfg == nil {
		return nil
	}
	cfg.PrivateKey = private
	x.fine(KeysFine, x.say("the keys fit; the app's public key has the SHA-256 %s", "密钥相符；应用公钥的 SHA-256 为 %s",
		gateway.Fingerprint(&private.PublicKey)))
	return cfg
}

func (x *examination) privateKey(value string) *rsa.PrivateKey {
	if value == "" {
		x.fault(NoPrivateKey, x.say("app_private_key is missing", "缺少 app_private_key"), "caddy alipay keygen")
		return nil
	}
	data, err := caddymodule.ReadKey("app_private_key", value)
	if err != nil {
		x.fault(BadPrivateKey, err.Error(), x.fileCure(err, value, "caddy alipay keygen"))
		return nil
	}
	x.privateKeyMode(value)
	key, err := gateway.ParsePrivateKey(data)
	if err != nil {
		x.fault(BadPrivateKey, "app_private_key: "+err.Error(), "caddy alipay keygen")
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

func (x *examination) publicKey(value string, private *rsa.PrivateKey) *gateway.Config {
	download := x.say("save what Alipay's console shows as 支付宝公钥, and name the file: alipay_public_key keys/alipay_public_key.pem",
		"把控制台显示的“支付宝公钥”保存为文件，并写入：alipay_public_key keys/alipay_public_key.pem")
	if value == "" {
		x.fault(NoAlipayKey, x.say("alipay_public_key is missing", "缺少 alipay_public_key"), download)
		return nil
	}
	data, err := caddymodule.ReadKey("alipay_public_key", value)
	if err != nil {
		x.fault(BadAlipayKey, err.Error(), x.fileCure(err, value, download))
		return nil
	}
	key, err := gateway.ParsePublicKey(data)
	if err != nil {
		x.fault(BadAlipayKey, "alipay_public_key: "+err.Error(), download)
		return nil
	}
	if private != nil && key.Equal(&private.PublicKey) {
		x.fault(OwnPublicKey, x.say("alipay_public_key is the app's own public key (应用公钥): nothing that Alipay sends would verify",
			"alipay_public_key 填的是应用公钥（自己的公钥），支付宝发来的任何内容都无法验签"), download)
		return nil
	}
	return &gateway.Config{AlipayKeys: []gateway.AlipayKey{{Public: key}}}
}

// certs examines the files of the certificate mode.
func (x *examination) certs(a *caddymodule.Account, private *rsa.PrivateKey) *gateway.Config {
	if a.AppCert == "" || len(a.AlipayCerts) == 0 || a.AlipayRootCert == "" {
		x.fault(FewCerts, x.say("the certificate mode needs app_cert, alipay_cert and alipay_root_cert together", "证书模式需要同时配置 app_cert、alipay_cert 和 alipay_root_cert"),
			"app_cert keys/appCertPublicKey.crt   alipay_cert keys/alipayCertPublicKey_RSA2.crt   alipay_root_cert keys/alipayRootCert.crt")
		return nil
	}
	before := len(x.found)
	cfg := new(gateway.Config)
	if certs := x.certificates("app_cert", a.AppCert); certs != nil {
		if private != nil && gateway.MatchAppCert(certs[0], private) != nil {
			x.fault(AppCertMismatch, x.say("app_cert was not made for app_private_key", "app_cert 与 app_private_key 不匹配"),
				x.say("name the private key with which the certificate request was made", "请使用生成证书请求（CSR）时的私钥"))
		}
		cfg.AppCertSN = gateway.CertSN(certs[0])
	}
	if data, err := caddymodule.ReadKey("alipay_root_cert", a.AlipayRootCert); err != nil {
		x.fault(BadCert, err.Error(), x.fileCure(err, a.AlipayRootCert, "alipay_root_cert keys/alipayRootCert.crt"))
	} else if cfg.AlipayRootCertSN, err = gateway.RootCertSN(data); err != nil {
		x.fault(BadCert, "alipay_root_cert: "+err.Error(), "alipay_root_cert keys/alipayRootCert.crt")
	}
	for _, value := range a.AlipayCerts {
		certs := x.certificates("alipay_cert", value)
		if certs == nil {
			continue
		}
		key, err := gateway.CertificateKey(certs)
		switch {
		case err != nil:
			x.fault(BadCert, "alipay_cert: "+err.Error(), "alipay_cert keys/alipayCertPublicKey_RSA2.crt")
		case private != nil && key.Public.Equal(&private.PublicKey):
			x.fault(OwnPublicKey, x.say("alipay_cert is the app's own certificate", "alipay_cert 填的是应用自己的证书"), "alipay_cert keys/alipayCertPublicKey_RSA2.crt")
		default:
			cfg.AlipayKeys = append(cfg.AlipayKeys, key)
		}
	}
	if x.worstSince(before) == Fault {
		return nil
	}
	return cfg
}

func (x *examination) certificates(option, value string) []*x509.Certificate {
	data, err := caddymodule.ReadKey(option, value)
	if err != nil {
		x.fault(BadCert, err.Error(), x.fileCure(err, value, x.downloadCert()))
		return nil
	}
	certs, err := gateway.ParseCertificates(data)
	if err != nil {
		x.fault(BadCert, fmt.Sprintf("%s: %v", option, err), x.downloadCert())
		return nil
	}
	x.expiry(option, certs[0])
	return certs
}

func (x *examination) downloadCert() string {
	return x.say("download the certificate again from Alipay's console", "请从支付宝控制台重新下载证书")
}

// expiryNotice is how long before its end a certificate is warned of.
const expiryNotice = 30 * 24 * time.Hour

func (x *examination) expiry(option string, cert *x509.Certificate) {
	day := cert.NotAfter.Format(time.DateOnly)
	renew := x.say("renew it in Alipay's console, and download it", "请在支付宝控制台更新并下载证书")
	switch left := cert.NotAfter.Sub(x.Now()); {
	case left <= 0:
		x.fault(CertExpired, x.say("%s expired on %s", "%s 已于 %s 过期", option, day), renew)
	case left < expiryNotice:
		x.warning(CertExpiring, x.say("%s expires on %s, in %d days", "%s 将于 %s 过期，还有 %d 天", option, day, int(left.Hours()/24)), renew)
	}
}
