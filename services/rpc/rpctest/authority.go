// Package rpctest makes certificates for tests.
package rpctest

import (
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
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rpc"
)

// Authority issues certificates for 127.0.0.1. Its own is in File.
type Authority struct {
	File        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes one, whose files are gone when the test ends.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{File: filepath.Join(t.TempDir(), name+".pem")}
	a.certificate, a.key = issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.File, filepath.Join(t.TempDir(), "key"))
	return a
}

// Issue makes a certificate for either side, and its key. It has its holder trust another authority, or the same.
func (a *Authority) Issue(t testing.TB, trusted *Authority) rpc.Certificates {
	t.Helper()
	folder := t.TempDir()
	c := rpc.Certificates{Own: filepath.Join(folder, "own"), Key: filepath.Join(folder, "key"), CA: trusted.File}
	issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "payments"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a, c.Own, c.Key)
	return c
}

func issue(t testing.TB, template *x509.Certificate, by *Authority, file, keyFile string,
) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	write(t, file, "CERTIFICATE", der)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write(t, keyFile, "PRIVATE KEY", keyDER)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
