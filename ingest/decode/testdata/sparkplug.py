# Prints testdata/sparkplug.txt: payloads of an encoder that is not ours, pysparkplug 0.6.1.
import datetime
from pysparkplug import *
from pysparkplug import DataType as D
T=1700000000000
out=[]
def add(topic,p,**k): out.append((topic,p.encode(**k).hex()))
bd=Metric(T,"bdSeq",D.INT64,value=7)
all_=[
 Metric(T,"i8",D.INT8,value=-5,alias=1), Metric(T,"i16",D.INT16,value=-300,alias=2), Metric(T,"i32",D.INT32,value=-70000,alias=3),
 Metric(T,"i64",D.INT64,value=-5000000000,alias=4), Metric(T,"u8",D.UINT8,value=200,alias=5), Metric(T,"u32",D.UINT32,value=4000000000,alias=6),
 Metric(T,"u64",D.UINT64,value=18446744073709551615,alias=7), Metric(T,"float",D.FLOAT,value=21.5,alias=8), Metric(T,"double",D.DOUBLE,value=0.1,alias=9),
 Metric(T,"bool",D.BOOLEAN,value=True,alias=10), Metric(T,"string",D.STRING,value="Zürich",alias=11), Metric(T,"bytes",D.BYTES,value=b"\x00\xff",alias=12),
 Metric(T,"null",D.INT32,value=None,alias=13,is_null=True),
]
add("spBv1.0/plant/NBIRTH/edge1", NBirth(T,0,(bd,)+tuple(all_)))
add("spBv1.0/plant/DBIRTH/edge1/pump", DBirth(T,1,(Metric(T,"speed",D.INT32,value=5,alias=20),)))
add("spBv1.0/plant/DDATA/edge1/pump", DData(T,2,(Metric(T,None,D.INT32,value=-6,alias=20),)), include_dtypes=True)
add("spBv1.0/plant/NDATA/edge1", NData(T,3,(Metric(T,None,D.FLOAT,value=22.5,alias=8,is_historical=True),)), include_dtypes=True)
add("spBv1.0/plant/DDEATH/edge1/pump", DDeath(T,4))
add("spBv1.0/plant/NDEATH/edge1", NDeath(T,bd))
add("spBv1.0/plant/NCMD/edge1", NCmd(T,(Metric(T,"Node Control/Rebirth",D.BOOLEAN,value=True),)))
for t,h in out: print(t,h)
