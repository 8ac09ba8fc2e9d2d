package identity_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/identity"
)

func TestDevelopmentSecret_MadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "interlock-data", "secret")
	const racers = 32
	secrets := make([][]byte, racers)
	errs := make([]error, racers)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range racers {
		all.Go(func() {
			<-begin
			secrets[i], errs[i] = identity.DevelopmentSecret(path)
		})
	}
	close(begin)
	all.Wait()
	for i := range racers {
		require.NoError(t, errs[i])
		require.Equal(t, secrets[0], secrets[i], "all who raced have the same secret")
	}
	require.Len(t, secrets[0], 64)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no drafts are left behind")

	again, err := identity.DevelopmentSecret(path)
	require.NoError(t, err)
	require.Equal(t, secrets[0], again)
	other, err := identity.DevelopmentSecret(filepath.Join(t.TempDir(), "secret"))
	require.NoError(t, err)
	require.NotEqual(t, other, again)
	_, err = identity.NewDevelopment(again)
	require.NoError(t, err)
}

func TestDevelopmentSecret_Refuses(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	own := strings.Repeat("s", 40)
	got, err := identity.DevelopmentSecret(write("own", " "+own+"\n", 0o400))
	require.NoError(t, err)
	require.Equal(t, own, string(got), "a secret of one's own is taken as it is")

	for name, path := range map[string]string{
		"too short": write("short", "0123456789", 0o600),
		"empty":     write("empty", "", 0o600),
		"too long":  write("long", strings.Repeat("x", 5000), 0o600),
		"a folder":  folder,
	} {
		_, err := identity.DevelopmentSecret(path)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "0123456789")
	}
	if runtime.GOOS != "windows" {
		path := write("open", own, 0o644)
		_, err := identity.DevelopmentSecret(path)
		require.ErrorContains(t, err, "0600")
	}
	_, err = identity.DevelopmentSecret(filepath.Join(write("file", "x", 0o600), "secret"))
	require.Error(t, err)
}
