//go:build lab

package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// More clients, and tools that read the schema.
func TestMore(t *testing.T) {
	needNode(t, "more")
	open(t).runAll(t, "more")
}

// genqlient makes a Go client of the example operations, which searches and buys.
func TestGenqlient(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS("genqlient")))
	require.NoError(t, os.CopyFS(filepath.Join(folder, "operations"), os.DirFS("operations")))
	schema, err := os.ReadFile("../../schema.graphql")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "schema.graphql"), schema, 0o600))
	for _, arguments := range [][]string{{"tool", "genqlient"}, {"build", "-o", "program", "."}} {
		run := exec.CommandContext(t.Context(), "go", arguments...)
		run.Dir = folder
		said, err := run.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	said, err := open(t).command(t, "genqlient", folder, filepath.Join(folder, "program"))
	require.NoError(t, err, "%s", said)
}
