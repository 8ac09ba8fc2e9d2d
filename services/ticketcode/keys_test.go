package ticketcode

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeys_AreReadAsTheyAreWritten(t *testing.T) {
	ring, err := newRing([]ed25519.PrivateKey{testKey(2), testKey(1)})
	require.NoError(t, err)
	again, err := ParseRing(ring.PEM())
	require.NoError(t, err)
	require.Equal(t, ring, again)
	keys, err := ParseKeys(ring.Keys().PEM())
	require.NoError(t, err)
	require.Equal(t, ring.Keys(), keys)
	require.Equal(t, []ID{NewSigner(testKey(2)).ID(), NewSigner(testKey(1)).ID()}, keys.IDs())
	require.Contains(t, string(keys.PEM()), "Interlock ticket key "+keys.IDs()[0].String()+"\n-----BEGIN PUBLIC KEY")
	require.NotContains(t, string(keys.PEM()), "PRIVATE")
	keys, err = ParseKeys(ring.PEM())
	require.NoError(t, err)
	require.Equal(t, ring.Keys(), keys, "of private keys, the public halves are kept")
}

// A key that is no longer first still opens what it signed; one that was dropped does not.
func TestRing_Rotates(t *testing.T) {
	first, err := (*Ring)(nil).Add()
	require.NoError(t, err)
	old := signOf(t, first.Signer(), usualTicket())
	second, err := first.Add()
	require.NoError(t, err)
	ids := second.Keys().IDs()
	require.Len(t, ids, 2)
	require.Equal(t, first.Keys().IDs()[0], ids[1])
	require.Equal(t, ids[0], second.Signer().ID())
	newer := signOf(t, second.Signer(), usualTicket())
	for _, code := range []string{old, newer} {
		got, err := second.Keys().Check(code)
		require.NoError(t, err)
		require.Equal(t, usualTicket(), got)
	}
	_, err = first.Keys().Check(newer)
	require.ErrorIs(t, err, ErrUnknownKey)

	_, err = second.Drop(ids[0].String())
	require.ErrorIs(t, err, ErrSigns)
	_, err = second.Drop("00000000")
	require.ErrorContains(t, err, `no ticket key "00000000"`)
	dropped, err := second.Drop(ids[1].String())
	require.NoError(t, err)
	_, err = dropped.Keys().Check(old)
	require.ErrorIs(t, err, ErrUnknownKey)
	_, err = dropped.Keys().Check(newer)
	require.NoError(t, err)
	require.Len(t, second.Keys().IDs(), 2, "a ring is immutable")

	for full := dropped; ; {
		next, err := full.Add()
		if err != nil {
			require.ErrorContains(t, err, "1 to 16 ticket keys, not 17")
			require.Len(t, full.Keys().IDs(), MaxKeys)
			break
		}
		full = next
	}
}

func TestParse_Refuses(t *testing.T) {
	ring, err := newRing([]ed25519.PrivateKey{testKey(2), testKey(1)})
	require.NoError(t, err)
	private, public := string(ring.PEM()), string(ring.Keys().PEM())
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	otherPrivate, err := x509.MarshalPKCS8PrivateKey(other)
	require.NoError(t, err)
	otherPublic, err := x509.MarshalPKIXPublicKey(other.Public())
	require.NoError(t, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for name, c := range map[string]struct{ file, says string }{
		"nothing":                    {"", "1 to 16 ticket keys, not 0"},
		"no PEM":                     {"secret", "1 to 16 ticket keys, not 0"},
		"a damaged beginning":        {strings.Replace(private, "-----BEGIN", "-----BEGXN", 1), "1 of 2 PEM blocks"},
		"a damaged end":              {strings.Replace(private, "-----END", "-----EXD", 1), "PEM blocks cannot be"},
		"a damaged middle":           {strings.Replace(private, "MC4C", "MC4!", 1), "1 of 2 PEM blocks"},
		"cut off":                    {private[:len(private)-5], "1 of 2 PEM blocks"},
		"the same key twice":         {private + private, "two ticket keys have the id"},
		"too many":                   {strings.Repeat(private, 9), "1 to 16 ticket keys, not 18"},
		"another kind of key":        {private + block(privateBlock, otherPrivate), "key 3 is not an Ed25519 key"},
		"a private key that is none": {block(privateBlock, []byte("secret")), "key 1 is not an Ed25519 key"},
		"another kind of block":      {block("CERTIFICATE", otherPublic), "key 1 is not an Ed25519 key"},
	} {
		_, err := ParseRing([]byte(c.file))
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), "secret", name)
		_, err = ParseKeys([]byte(c.file))
		require.ErrorContains(t, err, c.says, name)
	}
	_, err = ParseRing([]byte(public))
	require.ErrorContains(t, err, "PRIVATE KEY")
	_, err = ParseKeys([]byte(block(publicBlock, otherPublic)))
	require.ErrorContains(t, err, "key 1 is not an Ed25519 key")
}

func TestLoadOrMakeRing_MadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "interlock-data", "ticket-keys")
	_, err := LoadRing(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	const racers = 16
	var rings [racers]*Ring
	var errs [racers]error
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range racers {
		all.Go(func() {
			<-begin
			rings[i], errs[i] = LoadOrMakeRing(path)
		})
	}
	close(begin)
	all.Wait()
	for i := range racers {
		require.NoError(t, errs[i])
		require.Equal(t, rings[0], rings[i], "all who raced have the same key")
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no drafts are left behind")
	other, err := LoadOrMakeRing(filepath.Join(t.TempDir(), "ticket-keys"))
	require.NoError(t, err)
	require.NotEqual(t, rings[0], other)
}

// Of keys that are added at the same moment none is lost, and a change that fails changes nothing.
func TestChangeRing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ticket-keys")
	var all sync.WaitGroup
	errs := make([]error, MaxKeys)
	for i := range errs {
		all.Go(func() { _, errs[i] = ChangeRing(path, (*Ring).Add) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	ring, err := LoadRing(path)
	require.NoError(t, err)
	require.Len(t, ring.Keys().IDs(), MaxKeys)
	require.NoError(t, os.Chmod(path, 0o640))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = ChangeRing(path, (*Ring).Add)
	require.ErrorContains(t, err, "not 17")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after))
	_, err = ChangeRing(path, func(old *Ring) (*Ring, error) { return old.Drop(old.Keys().IDs()[3].String()) })
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), "a group that may read the file still may")
	_, err = ChangeRing(filepath.Join(t.TempDir(), "no", "ticket-keys"), (*Ring).Add)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoad_Refuses(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "ticket-keys")
	ring, err := LoadOrMakeRing(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Chmod(path, 0o604))
		_, err = LoadRing(path)
		require.ErrorContains(t, err, "0600")
	}
	public := filepath.Join(folder, "public")
	require.NoError(t, os.WriteFile(public, ring.Keys().PEM(), 0o600))
	keys, err := LoadKeys(public)
	require.NoError(t, err)
	require.Equal(t, ring.Keys(), keys)
	_, err = LoadRing(public)
	require.ErrorContains(t, err, public+": key 1 is not")
	long := filepath.Join(folder, "long")
	require.NoError(t, os.WriteFile(long, bytes.Repeat([]byte{'\n'}, maxKeyFile+1), 0o600))
	for _, wrong := range []string{long, folder, filepath.Join(folder, "none")} {
		_, err := LoadKeys(wrong)
		require.ErrorContains(t, err, wrong)
		_, err = LoadRing(wrong)
		require.ErrorContains(t, err, wrong)
	}
}
