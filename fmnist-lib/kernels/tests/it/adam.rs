//! Adam.

use fmnist_kernels::{AdamOperands, AdamSettings, Isa, adam_step};

use super::oracle::{error, numbers};
use super::{bits, same_on_any_threads};

#[test]
fn adam_agrees_with_keras_formula() {
    let settings = AdamSettings::default();
    for isa in Isa::available() {
        for len in [1, 16, 1000, 40_001] {
            let mut p = numbers(len, 1, 1e-6);
            let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (mut p64, mut m64, mut v64) = (wide(&p), wide(&m), wide(&v));
            for step in 1..=20u64 {
                let g = numbers(len, 10 + step as u32, 1e-6);
                let operands = AdamOperands {
                    parameter: &mut p,
                    mean: &mut m,
                    square: &mut v,
                    gradient: &g,
                };
                adam_step(isa, &settings, step, operands);
                let t = step as i32;
                let alpha = 1e-3 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t));
                for i in 0..len {
                    let g = f64::from(g[i]);
                    m64[i] += (g - m64[i]) * 0.1;
                    v64[i] += (g * g - v64[i]) * 0.001;
                    p64[i] -= alpha * m64[i] / (v64[i].sqrt() + 1e-7);
                }
            }
            let e = [error(&p, &p64), error(&m, &m64), error(&v, &v64)];
            assert!(e.iter().all(|&e| e < 1e-5), "{} {len}: {e:?}", isa.name());
        }
    }
}

#[test]
fn adam_bits_do_not_depend_on_threads() {
    let g = numbers(100_000, 2, 1e-6);
    same_on_any_threads(|| {
        let (mut p, mut m, mut v) = (
            numbers(100_000, 1, 1e-6),
            vec![0.0; 100_000],
            vec![0.0; 100_000],
        );
        let settings = AdamSettings::default();
        let operands = AdamOperands {
            parameter: &mut p,
            mean: &mut m,
            square: &mut v,
            gradient: &g,
        };
        adam_step(Isa::best(), &settings, 1, operands);
        (bits(&p), bits(&m), bits(&v))
    });
}
