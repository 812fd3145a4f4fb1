package child

import "testing"

func TestLoopback(t *testing.T) {
	const text = "Inter-|   Receive      |  Transmit\n face |bytes    packets errs\n    lo: 123456     10 0\n  eth0: 7 1 0\n"
	if got, ok := loopback(text); got != 123456 || !ok {
		t.Errorf("lo carried %d, %v", got, ok)
	}
	if _, ok := loopback("eth0: 7 1\n"); ok {
		t.Error("there is a lo where there is none")
	}
}
