package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
)

// A server that was killed leaves the note of its Redis's addresses. By now another program may listen there.
func TestCommands_AskNoStrangerForAServerThatWasKilled(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	code, _, errs := command(t, folder, "import", smallFeed(t, nil), "--templates", templatesFile(t),
		"--from", day(), "--days", "1")
	require.Zero(t, code, errs)
	// It has an address of its own: on 127.0.0.1, clients of other tests may still try a port that was given away.
	stranger := miniredis.NewMiniRedis()
	require.NoError(t, stranger.StartAddr("127.0.0.2:0"))
	t.Cleanup(stranger.Close)
	note, err := json.Marshal(redisAddresses{Cache: stranger.Addr(), Locks: []string{stranger.Addr()}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, redisFile), note, 0o600))
	for _, lock := range []bool{false, true} {
		if lock {
			require.NoError(t, os.WriteFile(filepath.Join(folder, lockFile), nil, 0o600))
		}
		code, out, errs := command(t, folder, "verify")
		require.Zero(t, code, out+errs)
		require.Contains(t, errs, "no server runs on this folder")
		code, _, errs = command(t, folder, "rebuild")
		require.Equal(t, exitCouldNotSee, code)
		require.Contains(t, errs, errNoServer.Error())
		code, _, errs = command(t, folder, "import", smallFeed(t, nil), "--templates", templatesFile(t),
			"--from", day(), "--days", "2")
		require.Zero(t, code, errs)
	}
	require.Zero(t, stranger.TotalConnectionCount(), "a stranger was asked")
	require.Empty(t, stranger.Keys())

	settings := embeddedSettings(t)
	settings.Data = folder
	r := start(t, settings)
	code, out := r.interlock(t, "verify")
	require.Zero(t, code, out)
	require.Zero(t, stranger.TotalConnectionCount())
	r.stop()
	require.NoFileExists(t, filepath.Join(folder, redisFile), "a server that is stopped leaves no note")
}

// Between the lock of its folder and its first note, a server has no Redis for a command to use. A command must not go
// on as if no server ran, and write beside it.
func TestCommands_WaitForAServerThatStarts(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	release, err := ownFolder(&Settings{Data: folder})
	require.NoError(t, err)
	defer release()
	code, _, errs := command(t, folder, "import", smallFeed(t, nil), "--templates", templatesFile(t),
		"--from", day(), "--days", "1")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "a server is starting")
}

// A command that looks whether a server runs must not keep a server from starting.
func TestServer_StartsWhileCommandsLook(t *testing.T) {
	settings := &Settings{Data: t.TempDir()}
	release, err := ownFolder(settings)
	require.NoError(t, err)
	release()
	done := make(chan struct{})
	looked := make(chan error, 1)
	go func() {
		var err error
		for {
			select {
			case <-done:
				looked <- err
				return
			default:
			}
			if _, e := isOwned(settings); e != nil {
				err = e
			}
		}
	}()
	for range 200 {
		release, err := ownFolder(settings)
		require.NoError(t, err)
		release()
	}
	close(done)
	require.NoError(t, <-looked)
}
