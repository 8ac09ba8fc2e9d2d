package servers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ResidentBytes is a process's resident memory; 0 where the system does not tell.
func ResidentBytes(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB")) // what is no number is not known
			return float64(kilobytes) * 1024
		}
	}
	return 0
}
