package keyring_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/keyring"
)

const (
	november = "2026-11:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	december = "2026-12:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f"
	// impostor has November's id and another secret.
	impostor = "2026-11:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
)

func ring(t require.TestingT, keys ...string) *keyring.Ring {
	r, err := keyring.Parse(keys)
	require.NoError(t, err)
	return r
}

func TestRing_EveryKeyOpensAndTheFirstSeals(t *testing.T) {
	old, both, next := ring(t, november), ring(t, december, november), ring(t, december)
	require.Equal(t, []string{"2026-12", "2026-11"}, both.Keys())
	key, sealed := old.Seal([]byte("Li Wei"), []byte("row 1"))
	require.Equal(t, "2026-11", key)
	text, err := both.Open(key, sealed, []byte("row 1"))
	require.NoError(t, err)
	require.Equal(t, "Li Wei", string(text))
	_, err = next.Open(key, sealed, []byte("row 1"))
	require.ErrorIs(t, err, keyring.ErrUnknownKey)
	_, err = ring(t, impostor).Open(key, sealed, []byte("row 1"))
	require.ErrorIs(t, err, keyring.ErrNotOpened)
	key, sealed = both.Seal([]byte("Li Wei"), []byte("row 1"))
	require.Equal(t, "2026-12", key)
	_, err = old.Open(key, sealed, []byte("row 1"))
	require.ErrorIs(t, err, keyring.ErrUnknownKey)
}

// A sealed text opens in its place only, and not with a single bit changed. It shows nothing of the text, and one text
// is never sealed to the same bytes twice.
func TestRing_Properties(t *testing.T) {
	r := ring(t, november)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "text")
		place := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "place")
		key, sealed := r.Seal(text, place)
		require.Len(t, sealed, len(text)+28)
		opened, err := r.Open(key, sealed, place)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, opened))
		if len(text) > 8 {
			require.False(t, bytes.Contains(sealed, text))
		}
		_, again := r.Seal(text, place)
		require.NotEqual(t, sealed, again)
		_, err = r.Open(key, sealed, append(place, 'x'))
		require.ErrorIs(t, err, keyring.ErrNotOpened)
		sealed[rapid.IntRange(0, len(sealed)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		_, err = r.Open(key, sealed, place)
		require.ErrorIs(t, err, keyring.ErrNotOpened)
		_, err = r.Open(key, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")], place)
		require.ErrorIs(t, err, keyring.ErrNotOpened)
	})
}

func TestParse_RefusesAndShowsNoSecret(t *testing.T) {
	digits := strings.Repeat("5ec2e7", 11)[:64]
	for what, keys := range map[string][]string{
		"1 to 16 keys, not 0":        {},
		"1 to 16 keys, not 17":       make([]string, 17),
		"key 2: a key is an id":      {november, digits},
		"key 1: a key is an id":      {":" + digits},
		"key 1: a key is an id of 1": {strings.Repeat("x", 33) + ":" + digits},
		"a key is an id of 1 to 32":  {"key with space:" + digits},
		"the key a has 64":           {"a:" + digits[1:]},
		"the key b has 64":           {"b:" + digits + "0"},
		"the key c has 64":           {"c:" + digits[1:] + "g"},
		"the key d has 64":           {"d:" + digits + ":"},
		"two keys have the id 2026":  {november, impostor},
	} {
		_, err := keyring.Parse(keys)
		require.ErrorContains(t, err, what)
		require.NotContains(t, err.Error(), digits[1:20])
	}
}

// BenchmarkRing is one passenger, sealed and opened.
func BenchmarkRing(b *testing.B) {
	r := ring(b, november)
	text := []byte("\x12110101199003074477A Passenger")
	place := []byte("ticket T12@2026-12-03/06h2naspo9ubn6ehs829j0r62o 0")
	b.Run("Seal", func(b *testing.B) {
		for b.Loop() {
			r.Seal(text, place)
		}
	})
	key, sealed := r.Seal(text, place)
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Open(key, sealed, place); err != nil {
				b.Fatal(err)
			}
		}
	})
}
