package streams

import "syscall"

// staUnsync is STA_UNSYNC of adjtimex(2): the clock is not synchronised.
const staUnsync = 0x40

// kernelSynced asks the kernel whether something keeps its clock in time.
func kernelSynced() bool {
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return false
	}
	return t.Status&staUnsync == 0
}
