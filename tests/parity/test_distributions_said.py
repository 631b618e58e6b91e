"""What torch.distributions says: representations, refusals, constraints, and the transforms to them."""

from __future__ import annotations

import pytest

from parity.programs import hold
from parity.test_distributions import TELL

# Each is evaluated by both; values, text, or the exception with its message must agree.
SAID = """
D.Uniform(1.,0.)
D.Uniform(torch.tensor([1.,2.]),torch.tensor([1.,3.]))
D.Uniform(0.,1.).arg_constraints
D.Uniform(0.,1.).support
D.Uniform(torch.tensor([0.,1.]),2.).support
D.Normal(torch.tensor([1.,2.]),torch.tensor([1.,-3.]))
D.Normal('a',1)
D.Normal(1,2).loc.dtype
D.Normal(1.,2.)
D.Normal(0.,1.).log_prob(1.0)
D.Normal(0.,1.).log_prob(torch.tensor(float('nan')))
D.Normal(torch.zeros(3),1.).log_prob(torch.zeros(2))
D.MultivariateNormal(torch.zeros(2),torch.eye(2)).log_prob(torch.zeros(3))
D.MultivariateNormal(torch.zeros(2))
D.MultivariateNormal(torch.zeros(2),torch.eye(2),torch.eye(2))
D.MultivariateNormal(torch.tensor(0.),torch.eye(2))
D.MultivariateNormal(torch.zeros(2),torch.zeros(2))
D.MultivariateNormal(torch.zeros(2),scale_tril=torch.zeros(2))
D.MultivariateNormal(torch.zeros(2),precision_matrix=torch.zeros(2))
D.MultivariateNormal(torch.zeros(2),torch.tensor([[1.,2.],[2.,1.]]))
D.LowRankMultivariateNormal(torch.tensor(0.),torch.zeros(2,1),torch.ones(2))
D.LowRankMultivariateNormal(torch.zeros(2),torch.zeros(2),torch.ones(2))
D.LowRankMultivariateNormal(torch.zeros(2),torch.zeros(3,1),torch.ones(2))
D.LowRankMultivariateNormal(torch.zeros(2),torch.zeros(2,1),torch.ones(3))
D.LowRankMultivariateNormal(torch.zeros(5,2),torch.zeros(3,2,1),torch.ones(2))
D.LowRankMultivariateNormal(torch.zeros(2),torch.zeros(2,1),torch.ones(2))
D.LogisticNormal(torch.zeros(2),torch.ones(2))
D.Bernoulli()
D.Bernoulli(0.3)
D.Bernoulli(0.3).probs
D.Bernoulli(torch.tensor([.3]),torch.tensor([.2]))
D.Bernoulli(1.5)
D.Bernoulli(0.3).log_prob(torch.tensor(0.5))
D.Bernoulli(0.3).support, D.Bernoulli(.3).mode
D.Categorical(torch.ones(3)).log_prob(torch.tensor(3))
D.Categorical(torch.ones(3)).log_prob(torch.tensor(1.5))
D.Categorical(-torch.ones(3))
D.Categorical(torch.tensor(.3))
D.Categorical(logits=torch.tensor(.3))
D.Categorical(torch.ones(2,3))
D.Categorical(torch.ones(3)).support
D.Categorical(logits=torch.tensor([float('nan'),1.]))
D.Multinomial(torch.tensor([2,3]),torch.ones(3))
D.Multinomial(2,torch.ones(3))
D.Multinomial(2,torch.ones(3)).support
D.Multinomial(2,torch.ones(3)).log_prob(torch.tensor([1.,0.,0.]))
D.Multinomial(2.5,torch.ones(3))
D.Binomial(3,torch.tensor([.3,.4]))
D.Binomial(3,torch.tensor([.3,.4])).support
D.Binomial(torch.tensor([3,4]),torch.tensor([.3,.4])).entropy()
D.Binomial(torch.tensor([3,4]),torch.tensor([.3,.4])).enumerate_support()
D.Geometric(torch.tensor([0.,.5]))
D.Geometric(1.5)
D.Geometric(torch.tensor([.3,.5]))
D.ContinuousBernoulli(1.5)
D.ContinuousBernoulli(1.5,validate_args=True)
D.ContinuousBernoulli(.3)
D.Beta(1.,2.)
D.Beta(1.,2.).concentration1
D.Beta(torch.tensor(1.),2.).concentration1
D.Beta(-1.,2.)
D.Dirichlet(torch.tensor(1.))
D.Dirichlet(-torch.ones(2))
D.Dirichlet(torch.ones(2)).log_prob(torch.ones(2))
D.LKJCholesky(1)
D.LKJCholesky(3)
D.LKJCholesky(3,torch.tensor([1.,2.]))
D.LKJCholesky(3).support
D.LKJCholesky(2.5)
D.Wishart(torch.tensor(1.),torch.eye(3))
D.Wishart(torch.tensor(5.),torch.eye(3))
D.Wishart(torch.tensor([5.,6]),torch.eye(3)).arg_constraints
D.Wishart(torch.tensor(5.))
D.Wishart(torch.tensor(5.),torch.ones(3))
D.VonMises(torch.tensor(1.),torch.tensor(2.))
D.VonMises(1.,2.)
D.MixtureSameFamily(D.Normal(0.,1.),D.Normal(torch.zeros(2),1.))
D.MixtureSameFamily(D.Categorical(torch.ones(2)),3)
D.MixtureSameFamily(D.Categorical(torch.ones(3)),D.Normal(torch.zeros(2),1.))
D.MixtureSameFamily(D.Categorical(torch.ones(5,2)),D.Normal(torch.zeros(3,2),1.))
D.MixtureSameFamily(D.Categorical(torch.ones(2)),D.Normal(torch.zeros(2),1.))
D.MixtureSameFamily(D.Categorical(torch.ones(2)),D.Normal(torch.zeros(2),1.)).support
D.MixtureSameFamily(D.Categorical(torch.ones(2)),D.Uniform(torch.zeros(2),1.)).support
D.Independent(D.Normal(0.,1.),1)
D.Independent(D.Normal(torch.zeros(2),1.),1)
D.Independent(D.Normal(torch.zeros(2),1.),1).support
D.Independent(D.Bernoulli(torch.ones(2)),1).enumerate_support()
D.TransformedDistribution(D.Normal(0.,1.),3)
D.TransformedDistribution(D.Normal(0.,1.),[3])
D.TransformedDistribution(D.Normal(0.,1.),[D.ExpTransform()])
D.TransformedDistribution(D.Normal(0.,1.),D.StickBreakingTransform())
D.TransformedDistribution(D.Normal(0.,1.),[D.AbsTransform()]).log_prob(torch.tensor(1.))
D.TransformedDistribution(D.Normal(torch.zeros(3),1.),[D.AffineTransform(torch.tensor(1.),2.)]).support
D.LogNormal(0.,1.)
D.Gumbel(0.,1.)
D.Weibull(1.,2.)
D.Pareto(1.,2.)
D.HalfNormal(1.), D.HalfCauchy(1.), D.InverseGamma(1.,2.), D.Kumaraswamy(1.,2.)
D.RelaxedBernoulli(torch.tensor(1.),.3)
D.RelaxedBernoulli(1.,.3).sample()
D.RelaxedOneHotCategorical(torch.tensor(1.),torch.ones(3))
D.OneHotCategorical(torch.ones(3))
D.OneHotCategorical(torch.ones(3)).support
D.OneHotCategorical(torch.ones(3)).log_prob(torch.tensor([1.,1.,0.]))
D.StudentT(3.)
D.Poisson(torch.tensor([3.])).entropy()
D.Poisson(-1.)
D.GeneralizedPareto(0.,1.,.1)
D.GeneralizedPareto(0.,1.,.1).support
D.GeneralizedPareto(0.,1.,-.1).support
D.NegativeBinomial(3.,torch.tensor(.3))
D.NegativeBinomial(3.,torch.tensor(1.))
D.NegativeBinomial(3.)
D.Chi2(3.)
D.FisherSnedecor(3.,2.)
D.Distribution.set_default_validate_args(3)
D.Normal(0.,1.).enumerate_support()
D.Normal(0.,1.).sample(3)
D.VonMises(torch.tensor(0.),torch.tensor(1.)).rsample()
D.VonMises(torch.tensor(0.),torch.tensor(1.)).entropy()
D.Categorical(torch.ones(3)).cdf(torch.tensor(1.))
D.LKJCholesky(3).mean
D.ContinuousBernoulli(.3).mode
D.Exponential(1.).log_prob(torch.tensor(-1.))
D.kl_divergence(D.Normal(0.,1.),D.Bernoulli(.3))
D.kl_divergence(D.Binomial(2,torch.tensor(.3)),D.Binomial(3,torch.tensor(.3)))
D.kl_divergence(D.Independent(D.Normal(torch.zeros(2,2),1.),1),D.Independent(D.Normal(torch.zeros(2,2),1.),2))
D.kl_divergence(D.LogNormal(0.,1.),D.TransformedDistribution(D.Normal(0.,1.),D.SigmoidTransform()))
D.register_kl(3,4)
D.biject_to(D.constraints.boolean)
D.biject_to(D.constraints.dependent)
D.biject_to(D.constraints.interval(0,1)), D.biject_to(D.constraints.interval(torch.tensor(0.),2)), D.biject_to(D.constraints.less_than(3.)), D.transform_to(D.constraints.simplex), D.biject_to(D.constraints.simplex), D.transform_to(D.constraints.positive_definite)
D.transform_to(D.constraints.independent(D.constraints.positive,1)), D.biject_to(D.constraints.greater_than_eq(2.)), D.biject_to(D.constraints.corr_cholesky), D.biject_to(D.constraints.lower_cholesky),D.transform_to(D.constraints.half_open_interval(0.,1.)), D.transform_to(D.constraints.nonnegative)
D.transform_to(D.constraints.cat([D.constraints.real,D.constraints.positive])), D.transform_to(D.constraints.stack([D.constraints.real,D.constraints.positive]))
[ (n, getattr(C, n).is_discrete, getattr(C, n).event_dim) for n in sorted(C.__all__) if isinstance(getattr(C, n),C.Constraint) and n!='dependent']
C.dependent.is_discrete
C.dependent.event_dim
C.dependent.check(torch.tensor(1.))
C.dependent(is_discrete=True,event_dim=1).event_dim
C.Constraint().check(1)
C.Constraint().is_discrete, C.Constraint().event_dim, C.Constraint()
C.boolean.check(torch.tensor([0.,1.,.5,float('nan')]))
C.one_hot.check(torch.tensor([[0.,1.],[1.,1.],[.5,.5]]))
C.integer_interval(0,3), C.greater_than(1), C.greater_than_eq(torch.tensor(1.)), C.less_than(3), C.half_open_interval(0,1), C.multinomial(3), C.interval(0,2)
C.multinomial(3).check(torch.tensor([[1.,2.],[1.,1.],[-1.,4.]]))
C.multinomial(3).is_discrete, C.multinomial(3).event_dim
C.nonnegative_integer.check(torch.tensor([0.,1.5,-1.,2.])), C.nonnegative_integer.check(torch.tensor([0,-1]))
C.real.check(torch.tensor([float('nan'),float('inf'),1]))
C.real_vector.check(torch.tensor([[1.,float('nan')],[1.,2.]]))
C.simplex.check(torch.tensor([[.5,.5],[.6,.5],[1.5,-.5]]))
C.lower_triangular.check(torch.ones(2,2)), C.lower_cholesky.check(torch.eye(2)), C.corr_cholesky.check(torch.eye(2)), C.square.check(torch.ones(4,2,3)), C.symmetric.check(torch.ones(2,2)), C.positive_semidefinite.check(torch.ones(2,2)), C.positive_definite.check(torch.ones(2,2))
C.symmetric.check(torch.ones(2,3)), C.positive_definite.check(torch.ones(2,3))
C.independent(C.real,1), C.independent(C.positive,0).event_dim, C.independent(C.positive,2).check(torch.ones(2,3,4)).shape
C.independent(C.positive,2).check(torch.ones(2))
C.independent(3,1)
C.independent(C.real,1.5)
C.independent(C.real,-1)
C.cat([C.real,C.positive],dim=0,lengths=[2,1]).check(torch.tensor([1.,-1.,-1.]))
C.cat([C.real,C.positive]), C.stack([C.real,C.positive]), C.cat([C.real,C.boolean]).is_discrete,C.cat([C.real,C.simplex]).event_dim
C.cat([C.real,3])
C.cat([C.real],dim=3).check(torch.tensor([1.]))
C.stack([C.real,C.positive]).check(torch.tensor([-1.,-1.]))
C.stack([C.real,3])
C.stack([C.real],dim=3).check(torch.tensor([1.]))
C.MixtureSameFamilyConstraint(3)
C.MixtureSameFamilyConstraint(C.positive), C.MixtureSameFamilyConstraint(C.positive).check(torch.tensor([1.,-1.])),C.MixtureSameFamilyConstraint(C.simplex).event_dim
C.MixtureSameFamilyConstraint(C.simplex).check(torch.tensor([.5,.5]))
C.MixtureSameFamilyConstraint(C.simplex).check(torch.tensor(.5))
C.is_dependent(C.dependent), C.is_dependent(C.real), C.is_dependent(C.dependent_property(lambda s:1))
D.Categorical.support, D.Categorical.support.is_discrete, D.Categorical.support.event_dim, D.TransformedDistribution.support.is_discrete
D.TransformedDistribution.support.event_dim
D.Uniform.support, D.Independent.support, D.MixtureSameFamily.support
C.boolean is D.Bernoulli.support, C.boolean==C.boolean, C.interval(0,1)==C.interval(0,1)
[type(getattr(C, n)).__name__ for n in sorted(C.__all__)]
D.AffineTransform(1.,2.), D.ExpTransform().inv, D.ExpTransform().inv.inv, D.ComposeTransform([D.ExpTransform(),D.AffineTransform(0,1)]), D.PowerTransform(2.), D.identity_transform, D.IndependentTransform(D.ExpTransform(),1), D.ReshapeTransform((2,3),(6,)), D.CatTransform([D.ExpTransform()]), D.StackTransform([D.ExpTransform()]), D.CumulativeDistributionTransform(D.Normal(0.,1.)), D.CorrCholeskyTransform(), D.SoftplusTransform(), D.TanhTransform(cache_size=1)
D.ReshapeTransform((2,3),(5,))
D.ReshapeTransform((2,3),(6,)).forward_shape((3,2))
D.ReshapeTransform((2,3),(6,)).forward_shape((3,))
D.ReshapeTransform((2,3),(6,)).inverse_shape((3,))
D.ReshapeTransform((2,3),(6,)).inverse_shape(())
D.ExpTransform(cache_size=2)
D.AbsTransform().inv(torch.tensor(1.)), D.AbsTransform().bijective
D.AbsTransform().log_abs_det_jacobian(torch.tensor(1.),torch.tensor(1.))
D.AbsTransform().sign
D.AbsTransform().inv.sign
D.SoftmaxTransform().log_abs_det_jacobian(torch.tensor([1.]),torch.tensor([1.]))
D.SoftmaxTransform().forward_shape(())
D.SoftmaxTransform().inverse_shape(())
D.StickBreakingTransform().forward_shape(())
D.StickBreakingTransform().inverse_shape(())
D.StickBreakingTransform().forward_shape((3,)), D.StickBreakingTransform().inverse_shape((3,)), D.CorrCholeskyTransform().forward_shape((3,)), D.CorrCholeskyTransform().inverse_shape((3,3))
D.CorrCholeskyTransform().forward_shape((4,))
D.CorrCholeskyTransform().inverse_shape((3,2))
D.CorrCholeskyTransform().inverse_shape((3,))
D.CorrCholeskyTransform().forward_shape(())
D.AffineTransform(torch.zeros(3),1).forward_shape((2,1)), D.PowerTransform(torch.zeros(3)).forward_shape((2,1))
D.AffineTransform(torch.zeros(3),1,event_dim=2).domain, D.AffineTransform(0,1,event_dim=1).codomain,D.AffineTransform(0,1).event_dim
D.IndependentTransform(D.ExpTransform(),1).forward_shape(())
D.IndependentTransform(D.ExpTransform(),1)(torch.tensor(1.))
D.IndependentTransform(D.ExpTransform(),1).inverse_shape(())
D.IndependentTransform(D.ExpTransform(),1).domain
D.ComposeTransform([D.ExpTransform(),3])
D.ComposeTransform([]).domain, D.ComposeTransform([]).bijective, D.ComposeTransform([]).sign, D.ComposeTransform([])
D.ComposeTransform([D.ExpTransform(),D.StickBreakingTransform()]).domain, D.ComposeTransform([D.ExpTransform(),D.StickBreakingTransform()]).codomain
D.ExpTransform()==D.ExpTransform(), D.AffineTransform(0,1)==D.AffineTransform(0,1), D.AffineTransform(0,1)==D.AffineTransform(torch.tensor(0.),torch.tensor(1.)), D.ExpTransform().inv==D.ExpTransform().inv, D.ComposeTransform([D.ExpTransform()])==D.ComposeTransform([D.ExpTransform()]), D.PowerTransform(2.)==D.PowerTransform(2.), D.ExpTransform()!=D.TanhTransform(), D.AbsTransform()==D.AbsTransform(), D.StickBreakingTransform()==D.StickBreakingTransform(), D.SoftplusTransform()==D.SoftplusTransform()
D.PowerTransform(torch.tensor(2.))==D.PowerTransform(2), D.ReshapeTransform((2,),(2,))==D.ReshapeTransform((2,),(2,)), D.IndependentTransform(D.ExpTransform(),1)==D.IndependentTransform(D.ExpTransform(),1), D.LowerCholeskyTransform()==D.LowerCholeskyTransform(),D.SoftmaxTransform()==D.SoftmaxTransform(),D.PositiveDefiniteTransform()==D.PositiveDefiniteTransform()
D.CatTransform([D.ExpTransform(),3])
D.CatTransform([D.ExpTransform()],lengths=[1,2])
D.CatTransform([D.ExpTransform()],dim=3)(torch.tensor([1.]))
D.CatTransform([D.ExpTransform()])(torch.tensor([1.,2.]))
D.StackTransform([D.ExpTransform()],dim=3)(torch.tensor([1.]))
D.StackTransform([D.ExpTransform()])(torch.tensor([1.,2.]))
D.StackTransform([3])
D.CatTransform([D.ExpTransform(),D.AffineTransform(0,1,event_dim=1)]).event_dim, D.CatTransform([D.ExpTransform()],lengths=[4]).length,D.CatTransform([D.ExpTransform()]).domain,D.StackTransform([D.ExpTransform()]).codomain
D.Transform().domain
D.Transform()(torch.tensor(1.))
D.Transform().inv(torch.tensor(1.))
D.Transform().log_abs_det_jacobian(1,2)
D.Transform()==D.Transform()
D.LowerCholeskyTransform().log_abs_det_jacobian(torch.eye(2),torch.eye(2))
D.PowerTransform(2.).sign, D.PowerTransform(-2.).sign, D.AffineTransform(0,-2.).sign,D.AffineTransform(0,torch.tensor(-2.)).sign
D.utils.tril_matrix_to_vec(torch.ones(3,3),-1), D.utils.vec_to_tril_matrix(torch.ones(3),-1)
D.utils.tril_matrix_to_vec(torch.ones(3,3),7)
D.utils.broadcast_all(1,'a')
D.utils.broadcast_all(1,torch.tensor([1.,2.]),True)
[(n, type(getattr(C, n)).__name__) for n in sorted(C.__all__)]
[(n, repr(getattr(C, n))) for n in sorted(C.__all__) if not isinstance(getattr(C, n), type) and n != "is_dependent"]
sorted(r.__name__ for r in D.biject_to._registry)
sorted(r.__name__ for r in D.transform_to._registry)
D.ExpTransform().inv.with_cache(1)._cache_size
C.cat([C.real], lengths=[1, 2])
D.utils.probs_to_logits(torch.tensor([0.0, 1.0, 0.3]))
D.utils.probs_to_logits(torch.tensor([0.0, 1.0, 0.3]), is_binary=True)
D.utils.logits_to_probs(torch.tensor([0.0, 1.0, 0.3]), is_binary=True)
D.utils.clamp_probs(torch.tensor([0.0, 1.0, 0.3], dtype=torch.float64))
D.utils.vec_to_tril_matrix(torch.arange(6.0), 0)
D.utils.vec_to_tril_matrix(torch.arange(12.0).reshape(2, 6), -1)
D.utils.tril_matrix_to_vec(torch.arange(18.0).reshape(2, 3, 3), 1)
D.Normal(torch.ones(2), 1.0).sample_n(3).shape
D.Normal(torch.ones(2), 1.0).expand((2, 3))
D.Normal(torch.ones(2), 1.0).expand([3, 2]).loc
D.Normal(torch.ones(2), 1.0, validate_args=False).log_prob(torch.tensor(float("nan")))
D.Normal(torch.ones(2), -1.0, validate_args=False)
D.Normal(torch.ones(2), -1.0, False)
D.Normal(scale=1.0, loc=0.5)
D.Categorical(logits=torch.zeros(3)).log_prob(torch.tensor([0, 1, 2, 2]))
D.Categorical(logits=torch.zeros(4, 3)).log_prob(torch.tensor([[0], [1]]))
D.Categorical(logits=torch.zeros(4, 3)).log_prob(torch.tensor([0.0, 1.0, 2.0, 2.0]))
D.Categorical(logits=torch.zeros(4, 3)).log_prob(torch.tensor([0, 1]))
D.Categorical(probs=torch.tensor([0.0, 0.0])).probs
D.Categorical(torch.tensor([1, 2, 3])).probs
D.Bernoulli(torch.tensor([0.2, 0.3])).log_prob(torch.tensor([[1.0], [0.0]]))
D.Bernoulli(probs=0.3, logits=None).logits
D.Bernoulli(1)
D.Bernoulli(True)
D.Gamma(1.0, 1.0).log_prob(2.0)
D.HalfCauchy(1.0).log_prob(2.0)
D.HalfNormal(1.0).log_prob(torch.tensor(-2.0))
D.Uniform(0.0, 1.0).log_prob(torch.tensor(1.0))
D.Uniform(0.0, 1.0, validate_args=False).log_prob(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
D.Uniform(0.0, 1.0).log_prob(torch.tensor(2.0))
D.Poisson(torch.tensor([2.0])).log_prob(torch.tensor([1.5]))
D.Independent(D.Normal(torch.zeros(2, 3), 1.0), 1).log_prob(torch.zeros(2, 2))
D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(0.0, -2.0)).cdf(torch.tensor([0.5, 1.0]))
D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(0.0, -2.0)).icdf(torch.tensor([0.5, 0.8]))
D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(torch.zeros(3), 1.0)).batch_shape
D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(torch.zeros(3), 1.0, event_dim=1)).event_shape
D.LogNormal(0.0, 1.0).expand((2,)).base_dist
D.Wishart(torch.tensor(2.5), torch.eye(3)).df
D.Multinomial(3, torch.ones(2)).sample((2, 3)).shape
D.MultivariateNormal(torch.zeros(3), torch.eye(2))
D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.Normal(torch.zeros(3, 2), 1.0)).batch_shape
D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.Bernoulli(torch.tensor([0.5, 0.2]))).support
D.kl_divergence(D.Uniform(0.0, 1.0), D.Poisson(1.0))
D.kl_divergence(D.Categorical(torch.ones(2)), D.OneHotCategorical(torch.ones(2)))
D.kl_divergence(D.Normal(torch.zeros(2, 1), 1.0), D.Normal(torch.zeros(3), 2.0))
D.kl_divergence(D.Chi2(3.0), D.Gamma(1.0, 2.0))
D.Dirichlet([1.0, 2.0])
D.Categorical([0.5, 0.5])
D.Normal(torch.tensor([1, 2]), torch.tensor([1, 2])).log_prob(torch.tensor([1.0, 2.0]))
D.Normal(torch.zeros(2, dtype=torch.float16), 1.0).log_prob(torch.ones(2, dtype=torch.float16))
D.Gamma(torch.ones(2, dtype=torch.float16), 1.0).sample()
D.Dirichlet(torch.ones(2, dtype=torch.bfloat16)).sample()
D.Exponential(torch.ones(2)).rsample((2,)).requires_grad
D.no_such_name
"""


@pytest.mark.parametrize("line", SAID.strip().splitlines())
def test_said(line: str) -> None:
    start = TELL.replace("DTYPE", "torch.float32")
    hold(
        f"{start}_names = {{'D': _D, 'C': _D.constraints, 'torch': torch}}\nsaid = _tell(lambda: eval({line!r}, _names))",
        strides=False,
    )
