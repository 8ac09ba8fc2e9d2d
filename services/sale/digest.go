package sale

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"

	"interlock/services/rail"
)

// DocumentDigest stands for a document number in the ledger: 32 characters, equal for equal numbers. Without the key
// numbers cannot be tried out on it.
func DocumentDigest(key []byte, number string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(number))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24])
}

// deriveBodyKey makes the key of bodyHash from the document key. The document key is the same on all servers and for
// ever, which retries need. The label keeps the two kinds of digests apart.
func deriveBodyKey(documentKey []byte) []byte {
	key, err := hkdf.Key(sha256.New, documentKey, nil, "interlock: digests of requests", sha256.Size)
	if err != nil {
		panic(err) // It refuses only to make longer keys than this.
	}
	return key
}

// bodyHash tells two requests apart that come with the same idempotency key. The ledger keeps it. It is made of names
// and document numbers, and without the secret key these cannot be tried out on it.
func (s *Service) bodyHash(place *rail.PlaceOrder) (string, error) {
	b, err := json.Marshal(place)
	if err != nil {
		return "", err
	}
	return s.mac(b), nil
}

// mac is a keyed digest of a request.
func (s *Service) mac(request []byte) string {
	mac := s.bodyMACs.Get().(hash.Hash)
	defer s.bodyMACs.Put(mac)
	mac.Reset()
	mac.Write(request)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24])
}
