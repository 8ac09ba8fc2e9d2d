package servers

import (
	"fmt"
	"os"
)

// OpenFiles is how many files and connections a process has open; 0 where the system does not tell.
func OpenFiles(pid int) int {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(files)
}
