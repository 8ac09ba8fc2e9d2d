package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// buildTimeout is for a build with nothing cached on a small machine.
const buildTimeout = 10 * time.Minute

// FaultTag is the build tag of a server that can be broken at exact points; see Options.Breakable.
const FaultTag = "fault"

// Build builds the interlock program into a folder and returns its path: the one that is shipped, without tags. It is
// run inside the module, as `go run ./cmd/lab` is.
func Build(ctx context.Context, folder string, tags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	path := filepath.Join(folder, "interlock")
	build := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", path,
		"interlock/cmd/interlock")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building interlock (give a built one with --interlock): %w: %s", err, said)
	}
	return path, nil
}
