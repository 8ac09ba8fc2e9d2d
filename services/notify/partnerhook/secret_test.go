package partnerhook

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

func TestSign_PublishedValues(t *testing.T) {
	signature, err := sign([]string{exampleSecret}, exampleID, time.Unix(exampleSeconds, 999), []byte(exampleBody))
	require.NoError(t, err)
	require.Equal(t, exampleSignature, signature)
}

func verify(t *testing.T, secret string, header http.Header, body string) error {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return library.VerifyIgnoringTimestamp([]byte(body), header)
}

func headers(id string, seconds int64, signature string) http.Header {
	header := http.Header{}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(seconds, 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return header
}

// Every bit of what is signed counts, and every byte of the signature.
func TestSign_FlippedBits(t *testing.T) {
	secret := NewSecret()
	signature, err := sign([]string{secret}, exampleID, time.Unix(exampleSeconds, 0), []byte(exampleBody))
	require.NoError(t, err)
	require.NoError(t, verify(t, secret, headers(exampleID, exampleSeconds, signature), exampleBody))

	flips := func(text string, refused func(flipped string)) {
		for i := range len(text) * 8 {
			flipped := []byte(text)
			flipped[i/8] ^= 1 << (i % 8)
			refused(string(flipped))
		}
	}
	flips(exampleBody, func(body string) {
		require.Error(t, verify(t, secret, headers(exampleID, exampleSeconds, signature), body))
	})
	flips(exampleID, func(id string) {
		require.Error(t, verify(t, secret, headers(id, exampleSeconds, signature), exampleBody))
	})
	flips(signature, func(flipped string) {
		require.Error(t, verify(t, secret, headers(exampleID, exampleSeconds, flipped), exampleBody))
	})
	for bit := range 32 {
		require.Error(t, verify(t, secret, headers(exampleID, exampleSeconds^1<<bit, signature), exampleBody))
	}
	key, err := ParseSecret(secret)
	require.NoError(t, err)
	flips(string(key), func(other string) {
		require.Error(t, verify(t, secretPrefix+base64.StdEncoding.EncodeToString([]byte(other)),
			headers(exampleID, exampleSeconds, signature), exampleBody))
	})
}

// While a secret is replaced, receivers with the old one and receivers with the new one can verify.
func TestSign_Rotation(t *testing.T) {
	older, newer := NewSecret(), NewSecret()
	signatures, err := sign([]string{newer, older}, exampleID, time.Unix(exampleSeconds, 0), []byte(exampleBody))
	require.NoError(t, err)
	require.Len(t, strings.Split(signatures, " "), 2)
	header := headers(exampleID, exampleSeconds, signatures)
	require.NoError(t, verify(t, older, header, exampleBody))
	require.NoError(t, verify(t, newer, header, exampleBody))
	require.Error(t, verify(t, NewSecret(), header, exampleBody))
}

func TestSign_Secrets(t *testing.T) {
	good := NewSecret()
	for name, secrets := range map[string][]string{
		"none": nil, "five": {good, good, good, good, good}, "a bad one": {good, "whsec_c2hvcnQ="},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sign(secrets, exampleID, time.Unix(exampleSeconds, 0), []byte(exampleBody))
			require.ErrorIs(t, err, ErrMessage)
			require.NotContains(t, err.Error(), "c2hvcnQ")
		})
	}
}

func TestParseSecret(t *testing.T) {
	encode := func(length int) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", length)))
	}
	for _, test := range []struct {
		name, text string
		length     int // 0: refused
	}{
		{"published", exampleSecret, 24},
		{"ours", NewSecret(), 32},
		{"shortest", "whsec_" + encode(24), 24},
		{"longest", "whsec_" + encode(64), 64},
		{"one byte too few", "whsec_" + encode(23), 0},
		{"one byte too many", "whsec_" + encode(65), 0},
		{"empty", "", 0},
		{"prefix alone", "whsec_", 0},
		{"no prefix", encode(32), 0},
		{"a private key of the asymmetric scheme", "whsk_" + encode(32), 0},
		{"prefix in capitals", "WHSEC_" + encode(32), 0},
		{"no padding", "whsec_" + strings.TrimRight(encode(32), "="), 0},
		{"alphabet of URLs", "whsec_" + strings.Repeat("-_", 16), 0},
		{"line end", "whsec_" + encode(24) + "\n", 0},
		{"line end within", "whsec_" + encode(24)[:8] + "\r\n" + encode(24)[8:], 0},
		{"space", "whsec_ " + encode(24), 0},
		{"bits that no byte has", "whsec_" + strings.TrimSuffix(encode(25), "w==") + "x==", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, err := ParseSecret(test.text)
			if test.length == 0 {
				require.EqualError(t, err, "a secret is whsec_ and the base64 of 24 to 64 bytes")
				return
			}
			require.NoError(t, err)
			require.Len(t, key, test.length)
		})
	}
}

func TestNewSecret_IsAnotherEachTime(t *testing.T) {
	require.NotEqual(t, NewSecret(), NewSecret())
}
