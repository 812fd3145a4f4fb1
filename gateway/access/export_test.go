package access

// SealJoinCode makes the text of a code of any bytes.
var SealJoinCode = sealJoinCode
