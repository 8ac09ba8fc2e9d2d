package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The build that is shipped has no faults: neither their packages nor the file that wires them. With the tag it has
// both, or this would prove nothing.
func TestFaults_AreNotInWhatIsShipped(t *testing.T) {
	list := func(arguments ...string) []string {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, arguments...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.Fields(string(out))
	}
	const files = "-f={{join .GoFiles \" \"}}"
	needed := []string{
		"interlock/cmd/interlock/failpoints", "interlock/cmd/interlock/failpoints/effects",
		"interlock/services/ledger/sqlledger/intercept",
	}

	shipped := list("-deps", ".")
	require.Contains(t, shipped, "interlock/services/ledger/sqlledger")
	for _, pkg := range needed {
		require.NotContains(t, shipped, pkg)
		require.Contains(t, list("-tags=fault", "-deps", "."), pkg)
	}
	for _, file := range []string{"faults.go", "faultconsume.go"} {
		require.NotContains(t, list(files, "."), file)
		require.Contains(t, list(files, "-tags=fault", "."), file)
	}
	require.Contains(t, list(files, "."), "nofaults.go")
}
