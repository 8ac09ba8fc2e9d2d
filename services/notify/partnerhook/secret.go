package partnerhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	// A secret has 24 to 64 bytes (the specification's section "Signature scheme"), ours have 32.
	minSecret, newSecret, maxSecret = 24, 32, 64
	// maxSecrets bounds the signatures of a message.
	maxSecrets = 4
)

var errSecret = errors.New("a secret is " + secretPrefix + " and the base64 of 24 to 64 bytes")

// NewSecret makes a secret for one target: whsec_ and the base64 of 32 random bytes.
func NewSecret() string {
	var key [newSecret]byte
	_, _ = rand.Read(key[:]) // it never fails: a system without randomness ends the process
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// ParseSecret returns the 24 to 64 bytes of a secret. Its error says nothing of the text.
func ParseSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok || strings.ContainsAny(encoded, "\r\n") { // the decoder would skip line ends
		return nil, errSecret
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, errSecret
	}
	return key, nil
}

// sign returns what the header webhook-signature says: "v1," and the base64 of the HMAC-SHA256 of "id.seconds.body",
// for each secret, with a space between two.
func sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		return "", fmt.Errorf("%w: a target has 1 to %d secrets, and this one has %d", ErrMessage, maxSecrets,
			len(secrets))
	}
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := ParseSecret(secret)
		if err != nil {
			return "", fmt.Errorf("%w: secret %d of %d: %w", ErrMessage, i+1, len(secrets), err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}
