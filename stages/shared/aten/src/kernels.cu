// Passes over activations that aten does in two or three: norms that read the float32 residual stream and
// write bfloat16, gradients on their way from one to the other, and the gradients of biases beside them.
// Every pass is bound by memory: each element is read once and written once. Compiled when first used, with
//   WIDTH       columns of a norm's rows, a multiple of 4
//   CENTRED     1 where a norm subtracts the mean, 0 where it does not
//   ACTIVATION  0 GELU by tanh, 1 GELU by erf, 2 x sigmoid(1.702 x)

typedef unsigned int u32;
typedef unsigned long long u64;

// Two bfloat16 in 32 bits, the first in the lower half.
__device__ inline u32 halve(float first, float second) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
}
__device__ inline float first(u32 pair) { return __uint_as_float(pair << 16); }
__device__ inline float second(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

__device__ inline uint4 halve8(const float *x) {
  return make_uint4(halve(x[0], x[1]), halve(x[2], x[3]), halve(x[4], x[5]), halve(x[6], x[7]));
}
__device__ inline void lift8(uint4 pairs, float *x) {
  x[0] = first(pairs.x), x[1] = second(pairs.x), x[2] = first(pairs.y), x[3] = second(pairs.y);
  x[4] = first(pairs.z), x[5] = second(pairs.z), x[6] = first(pairs.w), x[7] = second(pairs.w);
}
__device__ inline void read8(const float4 *x, u64 at, float *out) {
  float4 a = x[2 * at], b = x[2 * at + 1];
  out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w, out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
}
__device__ inline void write8(float4 *x, u64 at, const float *values) {
  x[2 * at] = make_float4(values[0], values[1], values[2], values[3]);
  x[2 * at + 1] = make_float4(values[4], values[5], values[6], values[7]);
}

#ifdef WIDTH
// A warp works on a row; a lane holds every 32nd group of 4 columns.
#define GROUPS (WIDTH / 4)
#define HELD ((GROUPS + 31) / 32)
#define EACH_HELD                                                                                                  \
  _Pragma("unroll") for (int i = 0, at = threadIdx.x; i < HELD; i++, at += 32) if (GROUPS % 32 == 0 || at < GROUPS)

__device__ inline float over_lanes(float x) {
  for (int distance = 16; distance; distance >>= 1)
    x += __shfl_xor_sync(~0u, x, distance);
  return x;
}

__device__ inline float4 plus(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
__device__ inline float4 times(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ inline float4 lift4(uint2 pairs) {
  return make_float4(first(pairs.x), second(pairs.x), first(pairs.y), second(pairs.y));
}

// y = (x - mean) scale gain + bias, scale = 1 / sqrt(mean((x - mean)^2) + eps); keeps mean and scale of each row.
extern "C" __global__ void norm_forward(const float4 *x, const float4 *gain, const float4 *bias, uint2 *y,
                                        float *means, float *scales, int rows, float eps) {
  int row = blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= rows)
    return;
  x += (u64)row * GROUPS, y += (u64)row * GROUPS;
  float4 v[HELD];
  float sum = 0, squares = 0;
  EACH_HELD {
    v[i] = x[at];
    sum += v[i].x + v[i].y + v[i].z + v[i].w;
  }
  float mean = CENTRED ? over_lanes(sum) / WIDTH : 0;
  EACH_HELD {
    v[i].x -= mean, v[i].y -= mean, v[i].z -= mean, v[i].w -= mean;
    squares += v[i].x * v[i].x + v[i].y * v[i].y + v[i].z * v[i].z + v[i].w * v[i].w;
  }
  float scale = rsqrtf(over_lanes(squares) / WIDTH + eps);
  EACH_HELD {
    float4 g = gain[at], b = CENTRED ? bias[at] : make_float4(0, 0, 0, 0);
    y[at] = make_uint2(halve(v[i].x * scale * g.x + b.x, v[i].y * scale * g.y + b.y),
                       halve(v[i].z * scale * g.z + b.z, v[i].w * scale * g.w + b.w));
  }
  if (threadIdx.x == 0)
    means[row] = mean, scales[row] = scale;
}

// dx = scale (t - mean(t) - n mean(t n)) + so_far, t = dy gain, n = (x - mean) scale; `so_far` may be null. The sums
// over its rows of dy n and dy that each block writes are the parts of the gradients of gain and bias.
extern "C" __global__ void norm_backward(const uint2 *__restrict__ dy, const float4 *__restrict__ x,
                                         const float4 *__restrict__ gain, const float *__restrict__ means,
                                         const float *__restrict__ scales, const float4 *__restrict__ so_far,
                                         float4 *__restrict__ dx, float4 *__restrict__ dgain,
                                         float4 *__restrict__ dbias, int rows) {
  int warp = blockIdx.x * blockDim.y + threadIdx.y, warps = gridDim.x * blockDim.y;
  float4 sum_dg[HELD], sum_db[HELD];
  EACH_HELD sum_dg[i] = sum_db[i] = make_float4(0, 0, 0, 0);
  for (int row = warp; row < rows; row += warps) {
    float mean = means[row], scale = scales[row], sum = 0, dot = 0;
    u64 start = (u64)row * GROUPS;
    float4 n[HELD], rest[HELD];
    uint2 d[HELD];
    EACH_HELD {
      n[i] = x[start + at];
      d[i] = dy[start + at];
      rest[i] = so_far ? so_far[start + at] : make_float4(0, 0, 0, 0);
    }
    EACH_HELD {
      n[i] = make_float4((n[i].x - mean) * scale, (n[i].y - mean) * scale, (n[i].z - mean) * scale,
                         (n[i].w - mean) * scale);
      float4 g = lift4(d[i]), t = times(g, gain[at]);
      sum_dg[i] = plus(sum_dg[i], times(g, n[i]));
      sum_db[i] = plus(sum_db[i], g);
      sum += t.x + t.y + t.z + t.w;
      dot += t.x * n[i].x + t.y * n[i].y + t.z * n[i].z + t.w * n[i].w;
    }
    sum = CENTRED ? over_lanes(sum) / WIDTH : 0;
    dot = over_lanes(dot) / WIDTH;
    EACH_HELD {
      float4 t = times(lift4(d[i]), gain[at]);
      dx[start + at] = make_float4(
          scale * (t.x - sum - n[i].x * dot) + rest[i].x, scale * (t.y - sum - n[i].y * dot) + rest[i].y,
          scale * (t.z - sum - n[i].z * dot) + rest[i].z, scale * (t.w - sum - n[i].w * dot) + rest[i].w);
    }
  }
  // The warps of the block add theirs up in turn.
  __shared__ float4 block_dg[GROUPS], block_db[GROUPS];
  for (int turn = 0; turn < blockDim.y; turn++) {
    if (threadIdx.y == turn)
      EACH_HELD {
        block_dg[at] = turn ? plus(block_dg[at], sum_dg[i]) : sum_dg[i];
        block_db[at] = turn ? plus(block_db[at], sum_db[i]) : sum_db[i];
      }
    __syncthreads();
  }
  if (threadIdx.y == 0)
    EACH_HELD {
      dgain[(u64)blockIdx.x * GROUPS + at] = block_dg[at];
      dbias[(u64)blockIdx.x * GROUPS + at] = block_db[at];
    }
}
#endif

// Rows of `groups` groups of 8 columns: a thread works on one group in every `step`th row from `row` on, and writes
// the sums of what it saw as row `row` of `sums`.
#define EACH_ROW                                                                                                   \
  int group = blockIdx.y * blockDim.x + threadIdx.x;                                                               \
  if (group >= groups)                                                                                             \
    return;                                                                                                        \
  int start = blockIdx.x * blockDim.y + threadIdx.y, step = gridDim.x * blockDim.y;                                \
  float sum[8] = {0, 0, 0, 0, 0, 0, 0, 0}, value[8];                                                               \
  _Pragma("unroll 4") for (int row = start; row < rows; row += step)
#define AT ((u64)row * groups + group)
#define ADD                                                                                                        \
  _Pragma("unroll") for (int i = 0; i < 8; i++) sum[i] += value[i]
#define WRITE_SUMS write8(sums, (u64)start * groups + group, sum)

// The same gradient in bfloat16, and its sums over rows.
extern "C" __global__ void halve_and_sum(const float4 *__restrict__ dy, uint4 *__restrict__ half,
                                         float4 *__restrict__ sums, int rows, int groups) {
  EACH_ROW {
    read8(dy, AT, value);
    half[AT] = halve8(value);
    ADD;
  }
  WRITE_SUMS;
}

// The sums over rows.
extern "C" __global__ void sum_rows(const uint4 *__restrict__ dy, float4 *__restrict__ sums, int rows, int groups) {
  EACH_ROW {
    lift8(dy[AT], value);
    ADD;
  }
  WRITE_SUMS;
}

#ifdef ACTIVATION
__device__ inline float slope(float x) {
#if ACTIVATION == 0
  const float a = 0.7978845608f, b = 0.044715f; // sqrt(2 / pi)
  float tanh = 1 - __fdividef(2, 1 + __expf(2 * a * (x + b * x * x * x)));
  return 0.5f * (1 + tanh) + 0.5f * x * (1 - tanh * tanh) * a * (1 + 3 * b * x * x);
#elif ACTIVATION == 1
  return 0.5f * (1 + erff(0.7071067812f * x)) + 0.3989422804f * x * __expf(-0.5f * x * x); // 1/sqrt(2), 1/sqrt(2 pi)
#else
  float sigmoid = __fdividef(1, 1 + __expf(-1.702f * x));
  return sigmoid * (1 + 1.702f * x * (1 - sigmoid));
#endif
}

// The gradient of an activation's input from that of its output, and its sums over rows.
extern "C" __global__ void activation_backward(const uint4 *__restrict__ dy, const uint4 *__restrict__ x,
                                               uint4 *__restrict__ dx, float4 *__restrict__ sums, int rows,
                                               int groups) {
  EACH_ROW {
    float given[8];
    lift8(dy[AT], value);
    lift8(x[AT], given);
    _Pragma("unroll") for (int i = 0; i < 8; i++) value[i] *= slope(given[i]);
    dx[AT] = halve8(value);
    ADD;
  }
  WRITE_SUMS;
}
#endif

// residual + y.
extern "C" __global__ void add_residual(const float4 *residual, const uint4 *y, float4 *out, int groups) {
  int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= groups)
    return;
  float a[8], b[8];
  read8(residual, at, a);
  lift8(y[at], b);
  _Pragma("unroll") for (int i = 0; i < 8; i++) a[i] += b[i];
  write8(out, at, a);
}
