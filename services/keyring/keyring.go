// Package keyring seals personal data, so that a copy of the ledger does not tell who travels.
//
// A ring is several keys: the first seals, and each opens. So keys can be changed while several servers sell: the next
// key is first added at the end of every ring, so that each server can open what another already seals with it.
//
// A sealed text is bound to the place where it is kept. It does not open in another row.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a ring.
const (
	// MaxKeys is more than a ring needs: the key in use, the next one, and some that are being replaced.
	MaxKeys = 16
	// MaxID is how many characters a key's id has at most. Each sealed row has the id beside it.
	MaxID = 32
	// keyBytes is what AES-256 takes.
	keyBytes = 32
)

// ErrUnknownKey says that a text was sealed with a key that is not in the ring.
var ErrUnknownKey = errors.New("the key is not in the ring")

// ErrNotOpened says that a sealed text was changed, was moved from another place, or was sealed with another key of
// that id.
var ErrNotOpened = errors.New("it was changed, or moved, or sealed with another key of that id")

// Ring seals and opens. It is immutable and safe for concurrent use.
type Ring struct {
	ids  []string
	keys map[string]cipher.AEAD
}

// Parse reads keys, the first of which seals. Each is an id of 1 to MaxID letters, digits, dots, hyphens and
// underscores, a colon, and 64 hexadecimal digits: "2026-11:0f…". An error never shows what may be a secret.
func Parse(keys []string) (*Ring, error) {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return nil, fmt.Errorf("a ring has 1 to %d keys, not %d", MaxKeys, len(keys))
	}
	r := &Ring{keys: map[string]cipher.AEAD{}}
	for i, key := range keys {
		id, digits, ok := strings.Cut(strings.TrimSpace(key), ":")
		if !ok || !validID(id) {
			return nil,
				fmt.Errorf("key %d: a key is an id of 1 to %d letters, digits, dots, hyphens and underscores, a "+
					"colon, and %d hexadecimal digits",
					i+1, MaxID, 2*keyBytes)
		}
		secret, err := hex.DecodeString(digits)
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("the key %s has %d hexadecimal digits after its colon, and nothing else", id,
				2*keyBytes)
		}
		if r.keys[id] != nil {
			return nil, fmt.Errorf("two keys have the id %s", id)
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, fmt.Errorf("the key %s: %w", id, err)
		}
		if r.keys[id], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("the key %s: %w", id, err)
		}
		r.ids = append(r.ids, id)
	}
	return r, nil
}

func validID(id string) bool {
	if id == "" || len(id) > MaxID {
		return false
	}
	for _, c := range []byte(id) {
		letter, digit := c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9'
		if !letter && !digit && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// Keys are the ids of the ring's keys. The first seals.
func (r *Ring) Keys() []string { return append([]string(nil), r.ids...) }

// Seal seals a text with the first key, for the place where it is kept. The sealed text is 28 bytes longer: a random
// nonce of 12 bytes before it, and a tag of 16 behind. One key may seal 2^32 texts: with more, two nonces could be
// equal (NIST SP 800-38D, 8.3).
func (r *Ring) Seal(text, place []byte) (key string, sealed []byte) {
	key = r.ids[0]
	return key, r.keys[key].Seal(nil, nil, text, place)
}

// Open opens a text that any key of the ring has sealed for a place. Its error is ErrUnknownKey or ErrNotOpened.
func (r *Ring) Open(key string, sealed, place []byte) ([]byte, error) {
	aead, ok := r.keys[key]
	if !ok {
		return nil, ErrUnknownKey
	}
	text, err := aead.Open(nil, nil, sealed, place)
	if err != nil {
		return nil, ErrNotOpened
	}
	return text, nil
}
