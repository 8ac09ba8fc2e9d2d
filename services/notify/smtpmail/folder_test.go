package smtpmail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/notify/smtpmail"
)

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "mails")
	folder, err := smtpmail.NewFolder(dir)
	require.NoError(t, err)
	require.Equal(t, dir, folder.Dir())

	m := sample()
	require.NoError(t, folder.Send(t.Context(), m))
	m.Text = "again"
	require.NoError(t, folder.Send(t.Context(), m))
	m.Text = "another"
	for _, id := range []string{"0F3C@tickets.example.com", "a/b@example.com", strings.Repeat("a", 180) + "@example.com"} {
		m.MessageID = id
		require.NoError(t, folder.Send(t.Context(), m))
	}

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4, "what is sent again has the same file, and nothing else is left")
	for _, entry := range entries {
		require.True(t, strings.HasSuffix(entry.Name(), ".eml"))
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	content, err := os.ReadFile(filepath.Join(dir, "0f3c@tickets.example.com.eml"))
	require.NoError(t, err)
	m = sample()
	m.Text = "again"
	checkContent(t, content, m)
}

func TestFolder_ThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := smtpmail.NewFolder(filepath.Join(file, "mails"))
	require.ErrorContains(t, err, "mail-folder:")

	dir := t.TempDir()
	folder, err := smtpmail.NewFolder(dir)
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	err = folder.Send(t.Context(), sample())
	require.EqualError(t, err, "mail: writing the mail: the folder cannot be written to")
	require.Equal(t, "again", outcome(err))
}
