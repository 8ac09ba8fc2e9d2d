package ticketcode

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// Ring is the private keys of a railway. The first signs. The others are kept so that their public halves are told to
// inspectors until the tickets they signed are past. A ring is immutable.
type Ring struct {
	private []ed25519.PrivateKey
	keys    *Keys
}

// newRing makes a ring of 1 to MaxKeys keys.
func newRing(private []ed25519.PrivateKey) (*Ring, error) {
	public := make([]ed25519.PublicKey, len(private))
	for i, key := range private {
		public[i] = publicOf(key)
	}
	keys, err := newKeys(public)
	if err != nil {
		return nil, err
	}
	return &Ring{private, keys}, nil
}

// ParseRing reads private keys: PEM blocks (PKCS #8), such as Ring.PEM and `openssl genpkey -algorithm ed25519` write.
// An error never shows what may be a secret.
func ParseRing(file []byte) (*Ring, error) {
	blocks, err := blocksOf(file)
	if err != nil {
		return nil, err
	}
	private := make([]ed25519.PrivateKey, len(blocks))
	for i, block := range blocks {
		if private[i], err = privateKey(i, block); err != nil {
			return nil, err
		}
	}
	return newRing(private)
}

// Signer signs with the first key.
func (r *Ring) Signer() *Signer { return NewSigner(r.private[0]) }

// Keys are the public halves, which need not be kept secret.
func (r *Ring) Keys() *Keys { return r.keys }

// PEM is the file that ParseRing reads. It is a secret.
func (r *Ring) PEM() []byte {
	var b bytes.Buffer
	for i, key := range r.private {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err) // Every Ed25519 key marshals.
		}
		writeBlock(&b, r.keys.ids[i], privateBlock, der)
	}
	return b.Bytes()
}

// Add is the ring with a new key before the others. r may be nil: then the key is the only one. It is an error where
// there would be more than MaxKeys.
func (r *Ring) Add() (*Ring, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	all := []ed25519.PrivateKey{key}
	if r != nil {
		all = append(all, r.private...)
	}
	return newRing(all)
}

// ErrSigns says that a key cannot be dropped, since it signs.
var ErrSigns = errors.New("this key signs tickets: make another one first")

// Drop is the ring without a key, by its id in hexadecimal. It does not drop the first key (ErrSigns).
func (r *Ring) Drop(id string) (*Ring, error) {
	i := slices.IndexFunc(r.keys.ids, func(one ID) bool { return one.String() == id })
	switch i {
	case -1:
		return nil, fmt.Errorf("there is no ticket key %q", id)
	case 0:
		return nil, fmt.Errorf("%s: %w", id, ErrSigns)
	}
	return newRing(slices.Delete(slices.Clone(r.private), i, i+1))
}
