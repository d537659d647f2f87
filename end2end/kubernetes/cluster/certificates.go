package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs every certificate of one cluster. Its key is never written down.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         crypto.Signer
}

// identity is who a certificate speaks for, and where it serves if it does.
type identity struct {
	user, group string
	addresses   []net.IP
	names       []string
}

// pair is the files of a certificate and its key.
type pair struct{ certificate, key string }

// lifetime of what is signed: no cluster of ours lives longer.
const lifetime = 7 * 24 * time.Hour

func newAuthority(folder string) (*authority, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := template("elb-dashboard test cluster", "")
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	ca := &authority{folder, certificate, key}
	return ca, writePEM(ca.file(), "CERTIFICATE", der)
}

// file is where its certificate is.
func (ca *authority) file() string { return filepath.Join(ca.folder, "ca.crt") }

// sign issues a certificate for a client, a server or both. rustls takes a server's only if it is a leaf
// with a name in it, signed by another one, which these are.
func (ca *authority) sign(name string, who identity) (pair, error) {
	files := pair{filepath.Join(ca.folder, name+".crt"), filepath.Join(ca.folder, name+".key")}
	template, err := template(who.user, who.group)
	if err != nil {
		return files, err
	}
	template.IPAddresses, template.DNSNames = who.addresses, who.names
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(who.addresses) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	key, err := newKey(files.key)
	if err != nil {
		return files, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return files, err
	}
	return files, writePEM(files.certificate, "CERTIFICATE", der)
}

func template(user, group string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	now := time.Now()
	// A minute ago: a clock that is set back must not make them invalid.
	return &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(lifetime)}, nil
}

// newKey makes a private key and writes it down.
func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
